//! Which of a target's routing keys a binding takes.

/// How many of the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fit {
    /// None.
    None,
    /// Some, or perhaps some.
    Some,
    /// All.
    All,
}

/// The routing keys of a target: one, or all those that a template can become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Keys(Vec<Word>);

/// One element of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    /// Always this.
    Fixed(String),
    /// Something that begins and ends so, and is longer than both.
    Open(String, String),
}

impl Keys {
    /// One key.
    pub(crate) fn fixed(key: &str) -> Self {
        Self(words(key).map(|word| Word::Fixed(word.to_owned())).collect())
    }

    /// What `{solution}` and `{area}` in a template can become; neither ever holds a `.`.
    pub(crate) fn of_template(template: &str) -> Self {
        let word = |word: &str| match (word.find('{'), word.rfind('}')) {
            (Some(from), Some(to)) => Word::Open(word[..from].to_owned(), word[to + 1..].to_owned()),
            _ => Word::Fixed(word.to_owned()),
        };
        Self(words(template).map(word).collect())
    }

    /// How many of the keys a binding takes at an exchange of this kind. None where it routes by something else.
    pub(crate) fn taken(&self, exchange_kind: &str, binding: &str) -> Option<Fit> {
        let pattern: Vec<&str> = words(binding).collect();
        match exchange_kind {
            "fanout" => Some(Fit::All),
            "direct" => Some(fit(&pattern, &self.0, false)),
            "topic" => Some(fit(&pattern, &self.0, true)),
            _ => None,
        }
    }
}

/// The elements of a key or pattern; of the empty one there are none.
fn words(key: &str) -> impl Iterator<Item = &str> {
    key.split('.').filter(move |_| !key.is_empty())
}

/// `*` stands for one word and `#` for any number of them, if the pattern is one.
fn fit(pattern: &[&str], keys: &[Word], is_pattern: bool) -> Fit {
    // How the end of the pattern fits the ends of the keys, for one word of the pattern more at a time.
    let mut ends = vec![Fit::None; keys.len() + 1];
    ends[keys.len()] = Fit::All;
    for part in pattern.iter().rev() {
        let mut longer = vec![Fit::None; keys.len() + 1];
        for at in (0..=keys.len()).rev() {
            longer[at] = match (*part, keys.get(at)) {
                ("#", word) if is_pattern => ends[at].max(word.map_or(Fit::None, |_| longer[at + 1])),
                ("*", Some(_)) if is_pattern => ends[at + 1],
                (text, Some(Word::Fixed(word))) if text == word => ends[at + 1],
                (text, Some(Word::Open(begin, end)))
                    if text.len() > begin.len() + end.len()
                        && text.starts_with(begin.as_str())
                        && text.ends_with(end.as_str()) =>
                {
                    ends[at + 1].min(Fit::Some)
                }
                _ => Fit::None,
            };
        }
        ends = longer;
    }
    ends[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bindings_take_what_the_broker_would_route_by_them() {
        for (kind, template, binding, expected) in [
            ("direct", "a.b", "a.b", Fit::All),
            ("direct", "a.b", "a.#", Fit::None),
            ("direct", "{solution}", "sb", Fit::Some),
            ("direct", "", "", Fit::All),
            ("fanout", "{solution}.{area}", "whatever", Fit::All),
            ("topic", "{solution}.{area}", "#", Fit::All),
            ("topic", "{solution}.{area}", "*.*", Fit::All),
            ("topic", "{solution}.{area}", "#.#.#", Fit::All),
            ("topic", "{solution}.{area}", "*", Fit::None),
            ("topic", "{solution}.{area}", "*.*.*", Fit::None),
            ("topic", "{solution}.{area}", "sb.#", Fit::Some),
            ("topic", "{solution}.{area}", "*.health", Fit::Some),
            ("topic", "{solution}.{area}", "#.health.#", Fit::Some),
            ("topic", "tags.{solution}", "tags.*", Fit::All),
            ("topic", "tags.{solution}", "logs.*", Fit::None),
            ("topic", "x-{solution}", "x-sb", Fit::Some),
            ("topic", "x-{solution}", "x-", Fit::None),
            ("topic", "x-{solution}", "y-sb", Fit::None),
            ("topic", "", "#", Fit::All),
            ("topic", "", "*", Fit::None),
            ("topic", "a.b.c", "a.#.c", Fit::All),
            ("topic", "a.b.c", "a.*", Fit::None),
        ] {
            let keys = Keys::of_template(template);
            assert_eq!(keys.taken(kind, binding), Some(expected), "{kind} {template} {binding}");
        }
        assert_eq!(Keys::fixed("a").taken("headers", "a"), None);
    }

    #[test]
    fn patterns_that_could_take_for_ever_do_not() {
        let keys = Keys::fixed(&"a.".repeat(127));
        assert_eq!(keys.taken("topic", &"#.a.".repeat(63)), Some(Fit::All));
        assert_eq!(keys.taken("topic", &("#.a.".repeat(63) + "b")), Some(Fit::None));
    }
}
