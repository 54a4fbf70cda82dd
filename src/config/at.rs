//! Values as they stand in a file: each with its place, and numbers with the bounds that their type states.

use std::ops::{Deref, Range};

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor, value::MapAccessDeserializer};
use toml::value::Datetime;

/// A value, and where in the file it stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub(crate) struct At<T>(toml::Spanned<T>);

impl<T> At<T> {
    /// Where it stands, in bytes. Empty where the file does not say it.
    pub(crate) fn span(&self) -> Range<usize> {
        self.0.span()
    }

    /// A value that the file does not say.
    fn unwritten(value: T) -> Self {
        Self(toml::Spanned::new(0..0, value))
    }
}

impl<T: Default> Default for At<T> {
    fn default() -> Self {
        Self::unwritten(T::default())
    }
}

impl<T> Deref for At<T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.0.get_ref()
    }
}

/// A whole number from `MIN` to `MAX`, and `DEFAULT` where the file does not say it.
///
/// It is read as any number and held against its bounds afterwards, so that one run reports every number out
/// of bounds.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct Number<const DEFAULT: u64, const MIN: u64, const MAX: u64>(At<u64>);

impl<const DEFAULT: u64, const MIN: u64, const MAX: u64> Number<DEFAULT, MIN, MAX> {
    /// Where it stands.
    pub(crate) fn span(&self) -> Range<usize> {
        self.0.span()
    }

    /// The number; an error says the bounds.
    pub(crate) fn get(&self) -> Result<u64, String> {
        match *self.0 {
            number if (MIN..=MAX).contains(&number) => Ok(number),
            number => Err(format!("{number} is out of bounds: expected {MIN} to {MAX}")),
        }
    }
}

impl<const DEFAULT: u64, const MIN: u64, const MAX: u64> Default for Number<DEFAULT, MIN, MAX> {
    fn default() -> Self {
        Self(At::unwritten(DEFAULT))
    }
}

/// A civil date, with or without quotes: `2026-01-01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Day(pub(crate) jiff::civil::Date);

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DayVisitor;
        impl<'de> Visitor<'de> for DayVisitor {
            type Value = Datetime;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a date such as 2026-01-01")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Datetime, E> {
                text.parse().map_err(|_| E::custom("this is not a date such as 2026-01-01"))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Datetime, A::Error> {
                Datetime::deserialize(MapAccessDeserializer::new(map))
            }
        }
        let read = deserializer.deserialize_any(DayVisitor)?;
        let Datetime { date: Some(date), time: None, offset: None } = read else {
            return Err(D::Error::custom("this is not a date alone, such as 2026-01-01"));
        };
        // TOML's own reader takes no date that does not exist; a year beyond 9999 it cannot write.
        let day = i16::try_from(date.year).ok().and_then(|year| {
            let (month, day) = (i8::try_from(date.month).ok()?, i8::try_from(date.day).ok()?);
            jiff::civil::Date::new(year, month, day).ok()
        });
        day.map(Self).ok_or_else(|| D::Error::custom("this is not a date that exists"))
    }
}

/// How these show in the generated reference.
#[cfg(test)]
mod schema {
    use std::borrow::Cow;

    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use serde::{Serialize, Serializer};

    use super::{At, Day, Number};

    impl<T: JsonSchema> JsonSchema for At<T> {
        fn schema_name() -> Cow<'static, str> {
            T::schema_name()
        }
        fn inline_schema() -> bool {
            T::inline_schema()
        }
        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            T::json_schema(generator)
        }
    }

    impl<T: Serialize> Serialize for At<T> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            (**self).serialize(serializer)
        }
    }

    impl<const DEFAULT: u64, const MIN: u64, const MAX: u64> JsonSchema for Number<DEFAULT, MIN, MAX> {
        fn schema_name() -> Cow<'static, str> {
            "Number".into()
        }
        fn inline_schema() -> bool {
            true
        }
        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({ "type": "integer", "minimum": MIN, "maximum": MAX })
        }
    }

    impl<const DEFAULT: u64, const MIN: u64, const MAX: u64> Serialize for Number<DEFAULT, MIN, MAX> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.serialize(serializer)
        }
    }

    impl JsonSchema for Day {
        fn schema_name() -> Cow<'static, str> {
            "Day".into()
        }
        fn inline_schema() -> bool {
            true
        }
        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({ "type": "string", "format": "date" })
        }
    }
}
