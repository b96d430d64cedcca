//! What is in a database, a state snapshot or a store.

mod check;
mod database;
mod rows;
mod state;
mod store;

pub use check::check_database;
pub use database::inspect_database;
pub use rows::inspect_rows;
pub use state::inspect_state;
pub use store::{NamespaceReport, StoreReport, inspect_store};
