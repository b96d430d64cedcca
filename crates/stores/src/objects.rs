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
    /// As [`object_namespace`] calls it.
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

/// What the database at `path` is called, if its name is an object's, 64 hexadecimal digits:
/// `<class>/<object id>` where the path proves the class, else `<folder>/<object id>`, and the id
/// alone where the folder's name cannot be part of a namespace.
pub fn object_namespace(path: &Path) -> Result<Option<Namespace>> {
    let Some(id) = object_id(path) else {
        return Ok(None);
    };
    let absolute = std::path::absolute(path).map_err(|error| io_error("find", path, &error))?;
    let Some(folder) = absolute.parent() else {
        return Namespace::new(id).map(Some);
    };
    let owner = match proven_class(folder) {
        Some(class) => class.into(),
        None => folder.file_name().unwrap_or_default().to_string_lossy(),
    };
    let named = if owner.is_empty() { None } else { Namespace::new(format!("{owner}/{id}")).ok() };
    named.map_or_else(|| Namespace::new(id), Ok).map(Some)
}

/// The class whose objects Miniflare keeps in `folder`: it is called `<worker>-<Class>`, and lies in
/// a folder `do` or has the class's `metadata.sqlite`, as below a persist folder of its own. Any
/// other folder may have a `-` in its name for reasons of its own.
fn proven_class(folder: &Path) -> Option<&str> {
    let (worker, class) = folder.file_name()?.to_str()?.rsplit_once('-')?;
    let in_do = folder.parent().and_then(Path::file_name).is_some_and(|name| name == "do");
    let is_proven = in_do || folder.join("metadata.sqlite").is_file();
    (is_proven && !worker.is_empty() && is_class_name(class)).then_some(class)
}

/// Whether JavaScript can call a class so; such a name has no `-`.
fn is_class_name(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_numeric())
        && !name.is_empty()
        && name.chars().all(|letter| letter.is_alphanumeric() || letter == '_' || letter == '$')
}

/// The object's id in the name of its database, if that is an object's.
pub fn object_id(path: &Path) -> Option<&str> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".sqlite")?;
    (stem.len() == 64 && stem.bytes().all(|digit| digit.is_ascii_hexdigit())).then_some(stem)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ID: &str = "9bc9614cc10db727e951b51ecb3f6e7c9bd7c86b34f116ae3533981908720522";

    fn name_of(folder: &Path) -> String {
        let name = object_namespace(&folder.join(format!("{ID}.sqlite"))).unwrap().unwrap();
        name.as_str().strip_suffix(ID).unwrap().to_owned()
    }

    #[test]
    fn a_class_is_believed_where_the_path_proves_it() {
        for (folder, owner) in [
            ("/app/.wrangler/state/v3/do/fixtures-Room", "Room/"),
            ("do/my-own-worker-Room_2", "Room_2/"),
            ("/do/worker-$été", "$été/"),
            // Not below `do`, so the folder is called as somebody liked.
            ("/fixtures/objects/hot-wal", "hot-wal/"),
            ("/backup/2026-11-21", "2026-11-21/"),
            ("/do/further/down-Room", "down-Room/"),
            ("/redo/worker-Room", "worker-Room/"),
            // No worker, or no class, is named.
            ("/do/Room", "Room/"),
            ("/do/-Room", "-Room/"),
            ("/do/worker-", "worker-/"),
            ("/do/backup-2026", "backup-2026/"),
            ("/do/worker-my class", "worker-my class/"),
            // What cannot be part of a namespace.
            ("/", ""),
            ("/do/line\nbreak", ""),
        ] {
            assert_eq!(name_of(Path::new(folder)), owner, "{folder}");
        }
        assert_eq!(name_of(Path::new(&format!("/{}", "x".repeat(200)))), "");
    }

    #[test]
    fn a_class_is_believed_beside_its_metadata() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("worker-Room");
        fs::create_dir(&folder).unwrap();
        assert_eq!(name_of(&folder), "worker-Room/");
        fs::write(folder.join("metadata.sqlite"), "").unwrap();
        assert_eq!(name_of(&folder), "Room/");
    }

    #[test]
    fn the_objects_of_the_fixtures() {
        let fixtures = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures"));
        let owners = |folder: &str| {
            let objects = find_objects(&fixtures.join(folder)).unwrap();
            let owner =
                |object: &LocalObject| object.namespace.as_str().split('/').next().unwrap().to_owned();
            objects.iter().map(owner).collect::<Vec<_>>()
        };
        assert_eq!(owners("state-folder"), ["Fixture", "Fixture", "Fixture", "Legacy", "Room", "Room"]);
        assert_eq!(owners("objects"), ["clean", "hot-wal"]);
    }

    #[test]
    fn other_files_are_no_objects() {
        for name in [
            "metadata.sqlite",
            "object.sqlite",
            &ID[1..],
            &format!("{ID}.sqlite-wal"),
            &format!("{ID}0.sqlite"),
        ] {
            assert_eq!(object_namespace(&Path::new("/do/worker-Room").join(name)).unwrap(), None, "{name}");
        }
        let not_hexadecimal = format!("/do/worker-Room/{}.sqlite", ID.replace('9', "g"));
        assert_eq!(object_namespace(Path::new(&not_hexadecimal)).unwrap(), None);
    }
}
