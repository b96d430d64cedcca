//! Where checkpoints lie that TypeScript wrote: an object's database, a JSON file, a bucket, a
//! folder that stands for one.

mod bucket;
mod folder;
mod json_file;
mod key_values;
mod miniflare;
mod table;
pub mod write;

use std::path::Path;

use dotctl_engine::Result;
use dotctl_engine::dotdo::{
    Bucket, Catalogue, Checkpoint, Records, Restored, Source, restore, verify, verify_strays,
};
use dotctl_engine::finding::{Checked, Finding};
use dotctl_engine::id::Namespace;

use crate::interrupt;
use crate::objects::object_namespace;

pub use bucket::{ObjectBucket, ObjectFacts, Objects};
pub use folder::FolderObjects;
pub use json_file::{JsonFile, is_json};
pub use key_values::KeyValues;
pub use miniflare::{MiniflareObjects, find_bucket, refuse_bucket_parent};
pub(crate) use table::Table;

/// A place with such checkpoints, looked through.
pub struct Foreign {
    key_values: Option<KeyValues>,
    json: Option<JsonFile>,
    bucket: Option<Box<dyn Bucket>>,
    namespace: Option<Namespace>,
    catalogue: Catalogue,
}

impl Foreign {
    /// The checkpoints of the object's database at `path`, and of `bucket`.
    pub fn database(path: &Path, bucket: Option<Box<dyn Bucket>>) -> Result<Self> {
        let mut foreign = Foreign::nothing(bucket);
        foreign.key_values = Some(KeyValues::open(path)?);
        foreign.namespace = object_namespace(path)?;
        foreign.looked_through()
    }

    /// The checkpoints of the JSON file at `path`, and of `bucket`.
    pub fn json_file(path: &Path, bucket: Option<Box<dyn Bucket>>) -> Result<Self> {
        let mut foreign = Foreign::nothing(bucket);
        foreign.json = Some(JsonFile::open(path)?);
        foreign.looked_through()
    }

    /// The checkpoints of `bucket`.
    pub fn bucket(bucket: Box<dyn Bucket>) -> Result<Self> {
        Foreign::objects(Some(bucket))
    }

    /// The checkpoints of `bucket`, if there is one.
    pub(super) fn objects(bucket: Option<Box<dyn Bucket>>) -> Result<Self> {
        Foreign::nothing(bucket).looked_through()
    }

    fn nothing(bucket: Option<Box<dyn Bucket>>) -> Self {
        Foreign { key_values: None, json: None, bucket, namespace: None, catalogue: Catalogue::default() }
    }

    fn looked_through(mut self) -> Result<Self> {
        self.catalogue = Catalogue::of(self.source())?;
        Ok(self)
    }

    fn source(&self) -> Source<'_> {
        let key_values = self.key_values.as_ref().map(|records| records as &dyn Records);
        let json = self.json.as_ref().map(|records| records as &dyn Records);
        Source { records: key_values.or(json), bucket: self.bucket.as_deref() }
    }

    /// Everything that was found.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Whose state a checkpoint is: what it says, else the object whose database holds it.
    pub fn namespace<'a>(&'a self, checkpoint: &'a Checkpoint) -> Option<&'a str> {
        let own = self.namespace.as_ref().map(Namespace::as_str);
        checkpoint.namespace.as_deref().or(own)
    }

    /// Gives the bytes of `checkpoint` to `sink`.
    ///
    /// # Errors
    /// Those of [`restore`]; busy where the database changed meanwhile.
    pub fn restore(
        &self,
        checkpoint: &Checkpoint,
        sink: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<Restored> {
        let restored = restore(self.source(), &self.catalogue, checkpoint, &mut |bytes| {
            // A little that is stored may become a lot.
            interrupt::check()?;
            sink(bytes)
        });
        self.check_unchanged()?;
        restored
    }

    /// Verifies `only`, or everything; `quick`: without decompressing what hashes as it should.
    ///
    /// # Errors
    /// The machine's; busy where the database changed meanwhile.
    pub fn verify(
        &self,
        only: Option<&Checkpoint>,
        quick: bool,
        checked: &mut Checked,
    ) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        match only {
            Some(checkpoint) => {
                verify(self.source(), &self.catalogue, checkpoint, quick, &mut findings, checked)?;
            }
            None => {
                verify_strays(&self.catalogue, &mut findings);
                for checkpoint in &self.catalogue.checkpoints {
                    verify(self.source(), &self.catalogue, checkpoint, quick, &mut findings, checked)?;
                }
            }
        }
        self.check_unchanged()?;
        Ok(findings)
    }

    fn check_unchanged(&self) -> Result<()> {
        self.key_values.as_ref().map_or(Ok(()), KeyValues::check_unchanged)
    }
}
