//! State: a sequence of state entries `[key, {value, createdAt, expiresAt?}]` as JSON text.
//!
//! [`EntryReader`] takes entries out of a stream of bytes and checks them, [`OrderCheck`] tells
//! whether they come in key order, [`sort`] puts them into it within bounded memory, and
//! [`StateMeasure`] tells what they amount to.

mod block;
mod compact;
mod key;
mod measure;
mod members;
mod order;
mod reader;
mod scan;
pub mod sort;

pub(crate) use compact::compact;
pub(crate) use key::decode as decode_key;
pub use key::{MAX_KEY_BYTES, line_key, shown_key, split_line};
pub use measure::{StateMeasure, StateReport};
pub use members::Members;
pub use order::{Order, OrderCheck};
pub use reader::{Entry, EntryReader, Form, MAX_ENTRY_BYTES, Progress, Step};
pub use scan::MAX_DEPTH;
pub(crate) use scan::{Cursor, Scanner, Stop, Token};
