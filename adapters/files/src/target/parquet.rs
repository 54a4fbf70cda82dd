//! Rows in Apache Parquet: texts as strings, amounts as decimals with two places, dates as dates. Any column may be null.

use std::io::{self, Write};
use std::sync::Arc;

use jiff::civil::date;
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{Type, TypePtr};

use super::Columns;
use super::rows::{Column, Kind, Record, Value, columns};

/// Digits of an amount: thirteen of kroner, two of øre.
const PRECISION: i32 = 15;
const SCALE: i32 = 2;

/// So many records are in memory at a time; their rows make a row group.
const RECORDS_IN_GROUP: usize = 20_000;

/// Writes records, and says how many rows those are.
pub(super) fn write(
    out: impl Write + Send,
    kind: Columns,
    records: impl Iterator<Item = io::Result<(String, Record)>>,
) -> io::Result<u64> {
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let columns = columns(kind);
    let schema = schema(columns).map_err(io::Error::other)?;
    let mut writer =
        SerializedFileWriter::new(out, schema, Arc::new(properties)).map_err(io::Error::other)?;
    let (mut records, mut count) = (records.peekable(), 0);
    while records.peek().is_some() {
        let some: Vec<Record> = records
            .by_ref()
            .take(RECORDS_IN_GROUP)
            .map(|read| read.map(|(_, record)| record))
            .collect::<io::Result<_>>()?;
        let rows: Vec<Vec<Value<'_>>> = some.iter().flat_map(|record| record.rows(kind)).collect();
        count += u64::try_from(rows.len()).unwrap_or(u64::MAX);
        let mut group = writer.next_row_group().map_err(io::Error::other)?;
        for (no, column) in columns.iter().enumerate() {
            let mut out = group
                .next_column()
                .map_err(io::Error::other)?
                .ok_or_else(|| io::Error::other("a column is missing"))?;
            put(&mut out, column.kind, rows.iter().map(|row| &row[no])).map_err(io::Error::other)?;
            out.close().map_err(io::Error::other)?;
        }
        group.close().map_err(io::Error::other)?;
    }
    writer.close().map_err(io::Error::other)?;
    Ok(count)
}

fn schema(columns: &[Column]) -> Result<TypePtr, ParquetError> {
    let field = |column: &Column| {
        let (physical, logical) = match column.kind {
            Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Kind::Whole => (Physical::INT64, None),
            Kind::Amount => (Physical::INT64, Some(LogicalType::decimal(SCALE, PRECISION))),
            Kind::Date => (Physical::INT32, Some(LogicalType::Date)),
        };
        let mut field = Type::primitive_type_builder(column.name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical);
        if column.kind == Kind::Amount {
            field = field.with_precision(PRECISION).with_scale(SCALE);
        }
        field.build().map(Arc::new)
    };
    let fields = columns.iter().map(field).collect::<Result<_, _>>()?;
    Type::group_type_builder("record").with_fields(fields).build().map(Arc::new)
}

/// Writes what is there, and where it is.
fn put<'a>(
    out: &mut SerializedColumnWriter<'_>,
    kind: Kind,
    values: impl Iterator<Item = &'a Value<'a>> + Clone,
) -> Result<(), ParquetError> {
    let is_there: Vec<i16> = values.clone().map(|value| i16::from(*value != Value::None)).collect();
    let texts = values.clone().filter_map(|value| match value {
        Value::Text(text) => Some(ByteArray::from(text.as_bytes().to_vec())),
        Value::Owned(text) => Some(ByteArray::from(text.as_bytes().to_vec())),
        _ => None,
    });
    let numbers = values.clone().filter_map(|value| match value {
        Value::Whole(number) => Some(*number),
        Value::Amount(amount) => Some(amount.ore()),
        _ => None,
    });
    let days = values.clone().filter_map(|value| match value {
        Value::Date(day) => Some((*day - date(1970, 1, 1)).get_days()),
        _ => None,
    });
    match kind {
        Kind::Text => {
            out.typed::<ByteArrayType>().write_batch(&texts.collect::<Vec<_>>(), Some(&is_there), None)
        }
        Kind::Whole | Kind::Amount => {
            out.typed::<Int64Type>().write_batch(&numbers.collect::<Vec<_>>(), Some(&is_there), None)
        }
        Kind::Date => out.typed::<Int32Type>().write_batch(&days.collect::<Vec<_>>(), Some(&is_there), None),
    }
    .map(|_| ())
}
