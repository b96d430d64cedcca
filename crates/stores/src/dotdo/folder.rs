//! A folder that stands for a bucket: a file for each object, its path the key.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use dotctl_engine::{Error, Result};

use super::bucket::{ObjectFacts, Objects};
use super::miniflare::read_file_at;
use super::write::{Content, ObjectsWriter};
use crate::durable::{TEMPORARY, create_new, link_new, sync_folder};
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

impl FolderObjects {
    /// The folder at `root`, which need not be there as long as nothing is read or written.
    pub fn planned(root: &Path) -> Self {
        FolderObjects { root: root.to_owned() }
    }

    /// The folder at `root`, made if it is not there.
    pub fn open_or_create(root: &Path) -> Result<Self> {
        fs::create_dir_all(root).map_err(|error| io_error("create", root, &error))?;
        FolderObjects::open(root)
    }
}

impl ObjectsWriter for FolderObjects {
    fn create(&self, key: &str, content: &Content, metadata: &[(&str, String)]) -> Result<bool> {
        let path = self.path(key).ok_or_else(|| {
            Error::malformed("this id is no file's name").at(key.to_owned()).hint("name a bucket instead")
        })?;
        if path.symlink_metadata().is_ok() {
            return Ok(false);
        }
        let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str()))
        else {
            return Ok(false);
        };
        fs::create_dir_all(folder).map_err(|error| io_error("create", folder, &error))?;
        if !metadata.is_empty() {
            let name = format!("{name}{METADATA_SUFFIX}");
            let members: serde_json::Map<String, serde_json::Value> =
                metadata.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into())).collect();
            // Of a run that was stopped before the object was there.
            let _ = fs::remove_file(folder.join(&name));
            create_new(folder, &name, serde_json::Value::Object(members).to_string().as_bytes())?;
        }
        // Outside of the folders in which objects are looked for.
        let staged = tempfile::Builder::new()
            .prefix(TEMPORARY)
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(&self.root)
            .map_err(|error| io_error("create a temporary file in", &self.root, &error))?;
        let mut from =
            File::open(content.path()).map_err(|error| io_error("read", content.path(), &error))?;
        io::copy(&mut from, &mut staged.as_file())
            .and_then(|_| staged.as_file().sync_all())
            .map_err(|error| io_error("write", staged.path(), &error))?;
        let created = link_new(staged.path(), &path)?;
        sync_folder(folder)?;
        Ok(created)
    }

    fn location(&self, key: &str) -> String {
        self.root.join(key).display().to_string()
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
