//! Tags in a folder: `tags/<tag>/<id>`, empty files.

use std::fs::{self, OpenOptions};
use std::io;

use dotctl_engine::format::layout::{TAGS, parse_tag, tag_key};
use dotctl_engine::tag::Tagged;
use dotctl_engine::{Error, ErrorKind, Result};

use super::session::lock_shared;
use super::{FolderStore, read_names};
use crate::durable::sync_folder;
use crate::io_error;
use crate::prune::check_tagged;

/// Attempts at a tag whose folder others remove because it is empty.
const ATTEMPTS_MAX: u32 = 100;

/// All of them, ordered. Other names are not ours.
pub fn list(store: &FolderStore) -> Result<Vec<Tagged>> {
    let folder = store.root.join(TAGS);
    let mut tags = Vec::new();
    for tag in read_names(&folder)? {
        if folder.join(&tag).is_dir() {
            tags.extend(read_names(&folder.join(&tag))?.iter().filter_map(|id| parse_tag(&tag, id)));
        }
    }
    tags.sort_unstable();
    Ok(tags)
}

/// Adds `tagged`, durable then, and says whether it was not there. Nobody prunes meanwhile: who has been told that a
/// checkpoint has a tag finds it there.
pub fn add(store: &FolderStore, tagged: &Tagged) -> Result<bool> {
    let _lock = lock_shared(store)?;
    check_tagged(store, tagged)?;
    let tags = store.root.join(TAGS);
    let folder = tags.join(tagged.tag.encoded());
    let path = store.root.join(tag_key(tagged));
    for _ in 0..ATTEMPTS_MAX {
        fs::create_dir_all(&folder).map_err(|error| io_error("create", &folder, &error))?;
        let new = match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(io_error("create", &path, &error)),
        };
        sync_folder(&store.root)?;
        sync_folder(&tags)?;
        sync_folder(&folder)?;
        return Ok(new);
    }
    Err(Error::new(ErrorKind::Busy, "others go on removing this tag").at(path.display().to_string()))
}

/// Removes `tagged`, durably, and says whether it was there.
pub fn remove(store: &FolderStore, tagged: &Tagged) -> Result<bool> {
    let path = store.root.join(tag_key(tagged));
    match fs::remove_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        removed => removed.map_err(|error| io_error("remove", &path, &error))?,
    }
    let tags = store.root.join(TAGS);
    let folder = tags.join(tagged.tag.encoded());
    // Only if it is empty, and not if somebody was faster.
    match fs::remove_dir(&folder) {
        Ok(()) => sync_folder(&tags)?,
        Err(_) if folder.is_dir() => sync_folder(&folder)?,
        Err(_) => {}
    }
    Ok(true)
}
