//! Between columns and types.

use crate::StoreError;
use sqlx::sqlite::SqliteRow;
use sqlx::{ColumnIndex, Row};
use std::time::Duration;
use types::Timestamp;

pub(super) fn to_ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}

pub(super) fn from_ms(doing: &'static str, ms: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(ms).map_err(|e| damaged(doing, e))
}

/// Nanoseconds since 1970; instants outside 1677–2262 are moved to that range's ends.
pub(super) fn to_ns(at: Timestamp) -> i64 {
    let ns = at.as_nanosecond();
    i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX })
}

pub(super) fn from_ns(doing: &'static str, ns: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_nanosecond(ns.into()).map_err(|e| damaged(doing, e))
}

pub(super) fn duration_to_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn duration_from_ms(ms: i64) -> Duration {
    Duration::from_millis(ms.try_into().unwrap_or(0))
}

/// A column's value.
pub(super) fn get<'r, T>(row: &'r SqliteRow, doing: &'static str, column: &'static str) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
    &'static str: ColumnIndex<SqliteRow>,
{
    row.try_get(column).map_err(super::database(doing))
}

/// A text column's value as the type whose text form it is.
pub(super) fn parse<T>(row: &SqliteRow, doing: &'static str, column: &'static str) -> Result<T, StoreError>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    get::<&str>(row, doing, column)?.parse().map_err(|e: T::Err| damaged(doing, e))
}

/// A row that this code cannot have written.
pub(super) fn damaged(doing: &'static str, source: impl Into<super::Cause>) -> StoreError {
    StoreError::Database { doing, source: source.into() }
}
