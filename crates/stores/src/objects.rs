//! The objects in a folder of local state, as workerd, Miniflare and `wrangler dev` keep them.

use std::fs;
use std::path::{Path, PathBuf};

use dotctl_engine::Result;
use dotctl_engine::id::Namespace;

use crate::io_error;

/// Folders below the one given, at most; local state has three.
const DEPTH_MAX: usize = 16;

/// An object's database below a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalObject {
    /// `<class>/<object id>`.
    pub namespace: Namespace,
    /// Its database.
    pub path: PathBuf,
}

/// Every object below `folder`, by namespace: files `<64 hexadecimal digits>.sqlite`. The databases
/// in which Miniflare simulates other products are not objects, nor is what a link points to.
pub fn find_objects(folder: &Path) -> Result<Vec<LocalObject>> {
    let mut objects = Vec::new();
    let mut folders = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(|error| io_error("list", &folder, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| io_error("list", &folder, &error))?;
            let path = entry.path();
            let kind = entry.file_type().map_err(|error| io_error("look at", &path, &error))?;
            if kind.is_dir() {
                let simulated = entry.file_name().to_string_lossy().starts_with("miniflare-");
                if depth < DEPTH_MAX && !simulated {
                    folders.push((path, depth + 1));
                }
            } else if kind.is_file()
                && let Some(namespace) = object_namespace(&path)?
            {
                objects.push(LocalObject { namespace, path });
            }
        }
    }
    objects.sort();
    Ok(objects)
}

/// `<class>/<object id>` of the database at `path`, if its name is an object's. Its folder is
/// called `<worker>-<Class>`; the class, a JavaScript name, has no `-`.
pub fn object_namespace(path: &Path) -> Result<Option<Namespace>> {
    let Some(id) = object_id(path) else {
        return Ok(None);
    };
    let absolute = std::path::absolute(path).map_err(|error| io_error("find", path, &error))?;
    let folder = absolute.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let class =
        folder.as_deref().and_then(|folder| folder.rsplit('-').next()).filter(|class| !class.is_empty());
    Namespace::new(format!("{}/{id}", class.unwrap_or("object"))).map(Some)
}

/// The object's id in the name of its database, if that is an object's.
pub fn object_id(path: &Path) -> Option<&str> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".sqlite")?;
    (stem.len() == 64 && stem.bytes().all(|digit| digit.is_ascii_hexdigit())).then_some(stem)
}
