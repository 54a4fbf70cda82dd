//! The API's words for Danish readers.

/// A field's name; where there is no word for it, the name itself.
pub(super) fn label(name: &str) -> &str {
    match name {
        "cpr" => "CPR-nummer",
        "uuid" => "person-UUID",
        "citizen" => "borger",
        "hidden" => "udeladt (en andens)",
        "caseId" | "case" => "sag",
        "grantId" | "grant" => "bevilling",
        "personId" => "systemets eget nummer",
        "system" => "system",
        "id" => "nummer",
        "refs" => "kendetegn for samme person",
        "kind" => "slags",
        "sources" => "kilder",
        "coversFrom" => "gælder fra",
        "coversTo" => "gælder til",
        "givenOn" => "givet den",
        "givenBy" => "givet af",
        "basis" => "grundlag",
        "legalReference" => "lovhjemmel",
        "solution" => "løsning",
        "family" => "familie",
        "fromDate" => "fra",
        "toDate" => "til",
        "area" => "område",
        "kle" => "KLE-emne",
        "status" => "status",
        "law" => "lov",
        "offer" => "indsats",
        "rate" => "takst i kroner",
        "per" => "pr.",
        "total" => "bevilget i alt, kroner",
        "amount" => "beløb i kroner",
        "account" => "konto",
        "on" => "den",
        "periodFrom" => "periode fra",
        "periodTo" => "periode til",
        "scale" => "skala",
        "value" => "trin",
        other => other,
    }
}

/// A word of the API, in capitals; where there is no other word for it, itself.
pub(super) fn word(word: &str) -> &str {
    match word {
        "CASE" => "Sag",
        "GRANT" => "Bevilling",
        "PAYMENT" => "Udbetaling",
        "PROGRESS" => "Progression",
        "IDENTITY" => "Identitet",
        "CONSENT" => "Samtykke",
        "ENROLMENT" => "Indskrivning",
        "SPLIT" => "Fordelingsnøgle",
        "NO_CITIZEN" => "ingen person",
        "CONSENT_NOT_COVERING" => "samtykket dækker ikke dagen",
        "NOT_CONSENTED" => "intet samtykke",
        "IDENTITY_CONFLICT" => "uklart hvem",
        "NOT_ENROLLED" => "ikke indskrevet",
        other => other,
    }
}

/// What stands for a choice among few, such as `RATE_PERIOD_MONTH`; none of what is no such word.
pub(super) fn choice(name: &str) -> Option<&str> {
    Some(match name {
        "TAG_PHASE_BEFORE" => "før forløbet",
        "TAG_PHASE_DURING" => "under forløbet",
        "TAG_PHASE_AFTER" => "efter forløbet",
        "TAG_BASIS_CITIZEN" => "efter borgeren",
        "TAG_BASIS_ACCOUNT" => "efter kontoen",
        "TAG_FLAG_OVER_CEILING" => "over loftet",
        "TAG_FLAG_OTHER_SOLUTION" => "en anden løsning passede også",
        "TAG_FLAG_UNMAPPED_ACCOUNT" => "ukendt konto",
        "COST_KIND_SERVICE" => "service",
        "COST_KIND_TRANSFER" => "overførsel",
        "SIDE_INSIDE" => "inden for løsningens budget",
        "SIDE_OUTSIDE" => "uden for løsningens budget",
        "IDENTITY_KIND_SAME" => "samme person",
        "IDENTITY_KIND_CPR_CHANGE" => "ændret CPR-nummer",
        "CONSENT_BASIS_CONSENT" => "samtykke",
        "CONSENT_BASIS_LAW" => "lov",
        "REFERENCE_FORM_CPR" => "et CPR-nummer",
        "REFERENCE_FORM_UUID" => "en person-UUID",
        "REFERENCE_FORM_CASE_ID" => "en sag",
        "REFERENCE_FORM_GRANT_ID" => "en bevilling",
        "REFERENCE_FORM_PERSON_ID" => "et systems eget nummer",
        "RATE_PERIOD_DAY" => "dag",
        "RATE_PERIOD_WEEK" => "uge",
        "RATE_PERIOD_MONTH" => "måned",
        "RATE_PERIOD_ONCE" => "én gang",
        _ => return None,
    })
}

/// A date or instant as `31.12.2026`; everything else as it is.
pub(super) fn date(text: &str) -> String {
    let day = text.get(..10).unwrap_or_default();
    let is_date =
        day.parse::<jiff::civil::Date>().is_ok() && matches!(text.as_bytes().get(10), None | Some(b'T'));
    match day.split('-').collect::<Vec<_>>()[..] {
        [year, month, day] if is_date => format!("{day}.{month}.{year}"),
        _ => text.to_owned(),
    }
}

/// An amount with two decimals as `1.234,50`; everything else as it is.
pub(super) fn kroner(text: &str) -> String {
    let ore = text.parse::<samspor_domain::Amount>().map(|amount| amount.ore());
    ore.map_or_else(|_| text.to_owned(), |ore| crate::reconcile::kroner(ore.into()))
}

#[cfg(test)]
mod tests {
    use super::choice;
    use prost_reflect::{DescriptorPool, Kind, MessageDescriptor};

    fn unworded(message: &MessageDescriptor, seen: &mut Vec<String>, missing: &mut Vec<String>) {
        if seen.contains(&message.full_name().to_owned()) {
            return;
        }
        seen.push(message.full_name().to_owned());
        for field in message.fields() {
            match field.kind() {
                Kind::Message(inner) => unworded(&inner, seen, missing),
                Kind::Enum(choices) => {
                    let names = choices.values().map(|value| value.name().to_owned());
                    missing.extend(
                        names.filter(|name| !name.ends_with("_UNSPECIFIED") && choice(name).is_none()),
                    );
                }
                _ => {}
            }
        }
    }

    /// A new word of the API in a fact about somebody fails this until there is a Danish one for it.
    #[test]
    fn citizens_read_no_words_of_the_api() {
        let pool = DescriptorPool::decode(samspor_grpc::DESCRIPTORS).expect("descriptors");
        let (mut seen, mut missing) = (Vec::new(), Vec::new());
        for kind in ["Case", "Grant", "Payment", "Progress", "Identity", "Consent", "Enrolment", "Split"] {
            let message = pool.get_message_by_name(&format!("samspor.v1.{kind}")).expect(kind);
            unworded(&message, &mut seen, &mut missing);
        }
        assert!(seen.contains(&"samspor.v1.CitizenReference".to_owned()), "{seen:?}");
        assert_eq!(missing, Vec::<String>::new());
    }
}
