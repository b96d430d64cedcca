//! Rows of a table asked for some at a time, each time behind the last one.

use dotctl_engine::rows::Value;
use dotctl_engine::{Error, Result};

use super::form::value;
use crate::packed::{Given, Reader};
use crate::storage::{Parameter, Storage};

/// Bytes of rows that are read at once, about: the last one may be large.
pub const BATCH_BYTES: usize = 256 << 10;

/// How many rows are asked for at once. What is more than a batch of them is read for nothing, as a query has to
/// be read to its end; so it begins low and follows the rows' size.
#[derive(Clone, Copy)]
pub struct Appetite(u32);

impl Appetite {
    const ROWS_MAX: u32 = 512;

    /// For rows of which nothing is known yet.
    pub fn new() -> Self {
        Appetite(16)
    }

    /// So many rows are asked for.
    pub fn rows(self) -> u32 {
        self.0
    }

    /// So many rows had so many bytes.
    pub fn learn(&mut self, rows: usize, bytes: usize) {
        let rows = u32::try_from(rows).unwrap_or(Self::ROWS_MAX);
        if bytes >= BATCH_BYTES {
            self.0 = (rows.next_power_of_two() / 2).clamp(1, Self::ROWS_MAX);
        } else if bytes < BATCH_BYTES / 2 && rows == self.0 {
            self.0 = (self.0 * 2).min(Self::ROWS_MAX);
        }
    }
}

/// Stands in a statement for how many rows it gives.
pub const ROWS: &str = "ROWS_WANTED";

/// The row that was read last.
pub enum After {
    /// None yet.
    Nothing,
    /// The one with this rowid.
    Rowid(i64),
    /// The one with these values in its key.
    Key(Vec<Value<'static>>),
}

impl After {
    /// The row whose rowid comes next in `reader`.
    pub fn rowid(reader: &mut Reader<'_>) -> Result<Self> {
        match value(reader.value()?)? {
            Value::Integer(rowid) => Ok(After::Rowid(rowid)),
            _ => Err(Error::malformed("a rowid is no integer")),
        }
    }

    /// The row whose key has these values.
    pub fn key<'a>(values: impl Iterator<Item = Given<'a>>) -> Result<Self> {
        let owned = |given| {
            Ok(match value(given)? {
                Value::Null => Value::Null,
                Value::Integer(number) => Value::Integer(number),
                Value::Real(number) => Value::Real(number),
                Value::Text(bytes) => Value::Text(bytes.to_vec().into()),
                Value::Blob(bytes) => Value::Blob(bytes.to_vec().into()),
            })
        };
        Ok(After::Key(values.map(owned).collect::<Result<_>>()?))
    }

    /// Whether no row can come behind.
    pub fn is_last(&self) -> bool {
        matches!(self, After::Rowid(i64::MAX))
    }

    /// The rows behind: the first statement is for where there is no last row, in the second one stands `?1` for its rowid,
    /// or `?1t` and so on for the values of its key.
    pub fn query(&self, storage: &Storage, statements: &[String; 2], appetite: Appetite) -> Result<Vec<u8>> {
        let count = appetite.rows().to_string();
        let [first, later] = statements.each_ref().map(|statement| statement.replace(ROWS, &count));
        match self {
            After::Nothing => storage.query_some(&first, &[], BATCH_BYTES),
            After::Rowid(rowid) => {
                storage.query_some(&later, &[Parameter::Text(&rowid.to_string())], BATCH_BYTES)
            }
            After::Key(values) => {
                let integers: Vec<String> = values
                    .iter()
                    .map(|value| match value {
                        Value::Integer(number) => number.to_string(),
                        _ => String::new(),
                    })
                    .collect();
                let parameters: Vec<Parameter<'_>> = values
                    .iter()
                    .zip(&integers)
                    .map(|(value, integer)| match value {
                        Value::Null => Parameter::Text(""),
                        Value::Integer(_) => Parameter::Text(integer),
                        Value::Real(number) => Parameter::Number(*number),
                        Value::Text(bytes) | Value::Blob(bytes) => Parameter::Blob(bytes),
                    })
                    .collect();
                storage.query_some(&typed(&later, values), &parameters, BATCH_BYTES)
            }
        }
    }
}

/// The statement with its parameters as the values' types want them.
fn typed(statement: &str, values: &[Value<'_>]) -> String {
    let mut typed = statement.to_owned();
    for (number, value) in values.iter().enumerate() {
        let number = number + 1;
        let parameter = match value {
            // Without the affinity of a cast, which would change what the column has.
            Value::Integer(_) => format!("+CAST(?{number} AS INTEGER)"),
            Value::Text(_) => format!("+CAST(?{number} AS TEXT)"),
            Value::Null | Value::Real(_) | Value::Blob(_) => format!("?{number}"),
        };
        typed = typed.replace(&format!("?{number}t"), &parameter);
    }
    typed
}
