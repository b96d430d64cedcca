//! From text to a live object.

use std::path::Path;

use dotctl_engine::{Error, ErrorKind, Result};
use dotctl_stores::bucket::Patience;
use dotctl_stores::door::{DoorAddress, LiveObject, Token};

use super::scratch_folder;

/// The variable that has the token.
const TOKEN: &str = "DOTCTL_TOKEN";

/// The live object that `text` names, if it is the address of one.
///
/// # Errors
/// Malformed where it is an address and none of an object; missing where there is no token.
pub fn live_object(text: &str) -> Result<Option<LiveObject>> {
    let Some(address) = DoorAddress::parse(text)? else {
        return Ok(None);
    };
    let token = std::env::var_os(TOKEN).filter(|token| !token.is_empty()).ok_or_else(|| {
        Error::new(ErrorKind::Missing, "there is no token for this object")
            .at(address.as_str())
            .hint("set DOTCTL_TOKEN to one that its worker lets in")
    })?;
    // What is no text is no token, and is not shown.
    let token = Token::new(token.to_str().unwrap_or_default())?;
    LiveObject::open(address, token, Patience::default(), scratch_folder()).map(Some)
}

/// The same of a path.
pub fn live_object_at(path: &Path) -> Result<Option<LiveObject>> {
    path.to_str().map_or(Ok(None), live_object)
}

/// The address of a live object that `path` is, if it is one. Nothing is asked of it.
pub fn door_address(path: &Path) -> Result<Option<DoorAddress>> {
    path.to_str().map_or(Ok(None), DoorAddress::parse)
}
