//! The dictionary that a namespace has already.

use dotctl_engine::codec::Dictionary;
use dotctl_engine::id::Namespace;
use dotctl_engine::{ErrorKind, Result};

use crate::drive::{SnapshotSetting, load_dictionary};
use crate::reference::read;
use crate::store::{Access, Store};

/// The dictionary of the namespace's newest checkpoint; if that has none, of the newest one of another object
/// of its class (`<class>/<object>`), so that many small objects have one dictionary. None where the
/// codec takes none, and where what is there cannot be read: then a new one is made.
pub fn known_dictionary(store: &dyn Store, setting: &SnapshotSetting) -> Option<Dictionary> {
    if !setting.codec.codec().takes_dictionary() {
        return None;
    }
    find(store, &setting.namespace).ok().flatten()
}

fn find(store: &dyn Store, namespace: &Namespace) -> Result<Option<Dictionary>> {
    let class =
        |namespace: &Namespace| namespace.as_str().rsplit_once('/').map(|(class, _)| class.to_owned());
    let own_class = class(namespace);
    let mut keys = store.manifests()?.keys;
    keys.retain(|key| {
        key.namespace == *namespace || (own_class.is_some() && class(&key.namespace) == own_class)
    });
    // The own ones first, the newest of each namespace before its others.
    keys.sort_by_key(|key| (key.namespace != *namespace, std::cmp::Reverse(key.sequence)));
    let mut seen: Vec<Namespace> = Vec::new();
    for key in keys {
        if seen.contains(&key.namespace) {
            continue;
        }
        if seen.len() >= OTHERS_MAX {
            break;
        }
        seen.push(key.namespace.clone());
        let found = match read(store, key) {
            Err(error) if error.kind() == ErrorKind::Sealed => continue,
            found => found?,
        };
        // It has samples of what is sealed.
        if found.manifest.envelope().is_some() && !store.seals_like(&found.manifest) {
            continue;
        }
        if let Some(dictionary) = load_dictionary(store, found.manifest.full_run()?, Access::Whole)? {
            return Ok(Some(dictionary));
        }
    }
    Ok(None)
}

/// Manifests that are read in search of a dictionary.
const OTHERS_MAX: usize = 4;
