//! A folder that stands for a bucket: a file for each object, its path the key.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use dotctl_engine::{Error, Result};

use super::bucket::{ObjectFacts, Objects};
use super::miniflare::read_file_at;
use crate::io_error;

/// How the file beside an object is called that holds its custom metadata, a JSON object of text.
const METADATA_SUFFIX: &str = ".metadata.json";

/// The largest such file: R2 takes 8 KiB of custom metadata.
const METADATA_BYTES_MAX: u64 = 64 << 10;

/// Folders in one another, at most.
const DEPTH_MAX: usize = 16;

/// The folder.
pub struct FolderObjects {
    root: PathBuf,
}

impl FolderObjects {
    /// The folder at `root`.
    pub fn open(root: &Path) -> Result<Self> {
        match fs::metadata(root) {
            Ok(metadata) if metadata.is_dir() => Ok(FolderObjects { root: root.to_owned() }),
            Ok(_) => Err(Error::malformed("this is no folder that could stand for a bucket")
                .at(root.display().to_string())),
            Err(error) => Err(io_error("open", root, &error)),
        }
    }

    /// The object's file; `None` for a key that leads out of the folder.
    fn path(&self, key: &str) -> Option<PathBuf> {
        let inside = Path::new(key).components().all(|part| matches!(part, Component::Normal(_)));
        (inside && !key.is_empty()).then(|| self.root.join(key))
    }
}

impl Objects for FolderObjects {
    fn list(&self, prefix: &str, visit: &mut dyn FnMut(ObjectFacts) -> Result<()>) -> Result<()> {
        let mut folders = vec![(self.root.clone(), String::new(), 0)];
        while let Some((folder, name, depth)) = folders.pop() {
            let entries = fs::read_dir(&folder).map_err(|error| io_error("list", &folder, &error))?;
            for entry in entries {
                let entry = entry.map_err(|error| io_error("list", &folder, &error))?;
                let file_name = entry.file_name();
                let Some(file_name) = file_name.to_str() else {
                    continue;
                };
                let key = format!("{name}{file_name}");
                let kind = entry.file_type().map_err(|error| io_error("look at", &entry.path(), &error))?;
                if kind.is_dir() {
                    let key = key + "/";
                    if depth < DEPTH_MAX && (key.starts_with(prefix) || prefix.starts_with(&key)) {
                        folders.push((entry.path(), key, depth + 1));
                    }
                } else if kind.is_file() && key.starts_with(prefix) && !key.ends_with(METADATA_SUFFIX) {
                    let metadata =
                        entry.metadata().map_err(|error| io_error("look at", &entry.path(), &error))?;
                    visit(ObjectFacts { key, stored_bytes: metadata.len() })?;
                }
            }
        }
        Ok(())
    }

    fn read_at(&self, key: &str, offset: u64, into: &mut [u8]) -> Result<Option<usize>> {
        match self.path(key) {
            Some(path) => read_file_at(&path, offset, into),
            None => Ok(None),
        }
    }

    fn custom_metadata(&self, key: &str) -> Result<Option<Vec<(String, String)>>> {
        let Some(path) = self.path(&format!("{key}{METADATA_SUFFIX}")) else {
            return Ok(None);
        };
        let wrong = |what: &str| Error::malformed(what).at(path.display().to_string());
        match fs::metadata(&path) {
            Ok(metadata) if metadata.len() > METADATA_BYTES_MAX => {
                Err(wrong("this is too long for custom metadata"))
            }
            Ok(_) => {
                let text = fs::read(&path).map_err(|error| io_error("read", &path, &error))?;
                super::miniflare::metadata_of(&text)
                    .map(Some)
                    .ok_or_else(|| wrong("this is no JSON object of text"))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error("read", &path, &error)),
        }
    }
}
