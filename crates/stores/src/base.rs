//! What a new checkpoint is built on.

use dotctl_engine::checkpoint::{CheckpointFacts, Foundation};
use dotctl_engine::format::{CheckpointKind, Manifest, PackEntry};
use dotctl_engine::id::Namespace;
use dotctl_engine::{Error, ErrorKind, Result};

use crate::drive::{Increment, SnapshotSetting};
use crate::reference::{Found, Seen, find_key, see};
use crate::sealed::looks_sealed;
use crate::store::{Access, Sealing, Session, Store, check_pack, missing_pack};

/// What somebody wants a checkpoint to be built on.
#[derive(Debug, Clone)]
pub enum Base {
    /// The namespace's newest one, where that can be and pays.
    Auto,
    /// The same, if its full run has the codec that the new one is to have: somebody has named it, and what
    /// a base holds keeps its own.
    OfCodec,
    /// Nothing: a full checkpoint.
    None,
    /// This one.
    Of(Box<Found>),
}

/// What a checkpoint will be built on.
pub struct Chosen {
    /// The base, and what of it the changes are laid over.
    pub built_on: Option<(Manifest, Foundation)>,
    /// Why the base that was meant cannot be built on: it is damaged.
    pub damage: Option<Error>,
    /// Whether the user named it, so that there is no other way.
    required: bool,
}

impl Base {
    /// Finds what a checkpoint of `kind` can be built on.
    ///
    /// # Errors
    /// Unsupported where a base that was named cannot be one, and where what is written would lie open in a
    /// namespace that is sealed; the store's.
    pub fn choose(
        &self,
        store: &dyn Store,
        setting: &SnapshotSetting,
        kind: CheckpointKind,
    ) -> Result<Chosen> {
        let refused = |why: &str| {
            Err(Error::unsupported(format!("this checkpoint cannot be built on the one named: {why}"))
                .hint("leave out --base"))
        };
        let newest = match (self, store.sealing()) {
            (Base::None | Base::Of(_), Sealing::Open) => Ok(None),
            _ => newest(store, &setting.namespace),
        };
        refuse_open(store, &setting.namespace, &newest)?;
        let found = match self {
            Base::None => return Ok(Chosen::none()),
            Base::Of(_) if !store.takes_increments() => return refused("a placed checkpoint stands alone"),
            Base::Of(found) if found.manifest.kind != kind => return refused("it is of another kind"),
            Base::Of(found) if found.manifest.namespace != setting.namespace => {
                return refused("it is of another namespace");
            }
            Base::Of(found) if !store.seals_like(&found.manifest) => {
                return refused("it is not sealed for the same recipients");
            }
            Base::Of(found) => (**found).clone(),
            Base::Auto | Base::OfCodec if !store.takes_increments() => return Ok(Chosen::none()),
            Base::Auto | Base::OfCodec => {
                match newest.and_then(|newest| newest.map(|seen| seen.found(store)).transpose()) {
                    Ok(Some(found)) if found.manifest.kind != kind || !self.suits(&found, setting) => {
                        return Ok(Chosen::none());
                    }
                    Ok(Some(found)) if !store.seals_like(&found.manifest) => {
                        let why = Error::unsupported("it is not sealed for the same recipients");
                        return Ok(Chosen { damage: Some(why), ..Chosen::none() });
                    }
                    Ok(Some(found)) => found,
                    Ok(None) => return Ok(Chosen::none()),
                    Err(error) if is_damage(&error) || error.kind() == ErrorKind::Sealed => {
                        return Ok(Chosen { damage: Some(error), ..Chosen::none() });
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        let foundation = setting.chain.foundation(found.id(), &found.manifest);
        Ok(Chosen {
            built_on: foundation.map(|foundation| (found.manifest, foundation)),
            damage: None,
            required: matches!(self, Base::Of(_)),
        })
    }

    fn suits(&self, found: &Found, setting: &SnapshotSetting) -> bool {
        let is_named = matches!(self, Base::OfCodec);
        !is_named || found.manifest.full_run().is_ok_and(|run| run.codec == setting.codec.codec())
    }
}

/// The newest checkpoint of the namespace, opened if it can be.
fn newest(store: &dyn Store, namespace: &Namespace) -> Result<Option<Seen>> {
    match find_key(store, &format!("{namespace}@latest")) {
        Ok(key) => see(store, key)?.opened(store).map(Some),
        Err(error) if error.kind() == ErrorKind::Missing => Ok(None),
        Err(error) => Err(error),
    }
}

/// Refuses to write what everybody can read where the newest checkpoint is sealed: somebody has forgotten to
/// say for whom. Where the newest cannot be read, one that is sealed among the others is enough.
fn refuse_open(store: &dyn Store, namespace: &Namespace, newest: &Result<Option<Seen>>) -> Result<()> {
    let is_sealed = store.sealing() == Sealing::None
        && match newest {
            Ok(Some(seen)) => seen.document.is_sealed(),
            Ok(None) => false,
            Err(_) => any_is_sealed(store, namespace)?,
        };
    match is_sealed {
        true => Err(Error::unsupported(
            "the newest checkpoint of this namespace is sealed, and this one would not be",
        )
        .at(namespace.to_string())
        .hint("seal it with --encrypt RECIPIENT, or say --no-encrypt if everybody may read it")),
        false => Ok(()),
    }
}

/// Whether any manifest of `namespace` looks like an envelope, damaged or not.
fn any_is_sealed(store: &dyn Store, namespace: &Namespace) -> Result<bool> {
    let keys = store.manifests()?.keys;
    Ok(keys
        .iter()
        .rev()
        .filter(|key| key.namespace == *namespace)
        .any(|key| store.read_manifest(key).is_ok_and(|bytes| looks_sealed(&bytes))))
}

/// Refuses to write into `namespace` what everybody can read where its newest checkpoint is sealed.
///
/// # Errors
/// Unsupported in that case, also where the newest is damaged and another one is sealed; the store's.
pub fn check_open(store: &dyn Store, namespace: &Namespace) -> Result<()> {
    match store.sealing() {
        Sealing::None => refuse_open(store, namespace, &newest(store, namespace)),
        Sealing::Open | Sealing::Sealed => Ok(()),
    }
}

fn is_damage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Corrupt(_) | ErrorKind::Unsupported)
}

impl Chosen {
    /// A full checkpoint.
    pub fn none() -> Self {
        Chosen { built_on: None, damage: None, required: false }
    }

    /// Whether an image with such pages can be built on it.
    ///
    /// # Errors
    /// Unsupported where it must be and cannot.
    pub fn has_pages_of(&self, page_bytes: u32) -> Result<bool> {
        match &self.built_on {
            Some((manifest, _)) if manifest.page_bytes != Some(page_bytes) => match self.required {
                true => Err(Error::unsupported(format!(
                    "the base has pages of {} bytes, the database of {page_bytes}",
                    manifest.page_bytes.unwrap_or(0)
                ))
                .hint("leave out --base")),
                false => Ok(false),
            },
            _ => Ok(true),
        }
    }

    /// What is to be committed, of what came of building on it; `None` where that was in vain, and
    /// the source is to be read again.
    pub fn take<'a>(
        &mut self,
        store: &'a dyn Store,
        session: Box<dyn Session + 'a>,
        increment: Result<Increment>,
    ) -> Result<Option<(Box<dyn Session + 'a>, CheckpointFacts)>> {
        match increment {
            Ok(Increment::Changed(facts)) => return Ok(Some((session, facts))),
            Ok(Increment::Outgrown) => {}
            Ok(Increment::Equal) => {
                // What was written is not needed.
                drop(session);
                let held = match &self.built_on {
                    Some((manifest, foundation)) => holds_rest(store, manifest, foundation),
                    None => Ok(()),
                };
                match (held, &self.built_on) {
                    (Ok(()), Some((manifest, _))) => {
                        return Ok(Some((store.begin()?, CheckpointFacts::same_as(manifest))));
                    }
                    (Err(error), _) if !is_damage(&error) => return Err(error),
                    (Err(error), _) => self.damage = Some(error),
                    (Ok(()), None) => {}
                }
            }
            Err(error) if is_damage(&error) && !self.required => self.damage = Some(error),
            Err(error) => return Err(error),
        }
        self.built_on = None;
        Ok(None)
    }
}

/// Checks the packs of `manifest` that nobody has read when its content was compared.
fn holds_rest(store: &dyn Store, manifest: &Manifest, foundation: &Foundation) -> Result<()> {
    let was_read = |pack: &PackEntry| foundation.runs.iter().any(|run| run.packs.contains(pack));
    let mut buffer = vec![0; 256 << 10];
    manifest.packs().filter(|pack| !was_read(pack)).try_for_each(|entry| {
        let pack = store.open_pack(entry, Access::Whole)?.ok_or_else(|| missing_pack(entry))?;
        check_pack(pack.as_ref(), entry, &mut buffer, |_| ())
            .map_err(|error| error.at(store.pack_location(&entry.sha256)))
    })
}
