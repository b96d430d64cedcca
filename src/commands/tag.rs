//! `dotctl tag`: a name for a checkpoint.

use serde_json::json;

use dotctl_engine::tag::Tagged;
use dotctl_engine::{Error, ErrorKind, Result};

use super::foreign::{self, Named};
use super::requests::{tell, with_requests};
use super::short_id;
use crate::cli::TagArgs;
use crate::error::Exit;
use crate::open;
use crate::output::Output;

pub fn run(args: &TagArgs, output: &Output) -> Result<Exit> {
    open::refuse_read_only_at(&args.store.store)?;
    let (store, seen) = match foreign::see_in(&args.store, &args.reference)? {
        Named::Native(store, seen) => (store, seen),
        Named::Foreign(_, found) => {
            return Err(Error::unsupported("a checkpoint in this layout takes no tag")
                .at(found.id)
                .hint("`dotctl copy` makes a checkpoint of it that does"));
        }
    };
    let tagged = Tagged { tag: args.name.clone(), checkpoint: seen.id() };
    let changed = match (args.dry_run, args.remove) {
        (true, _) => store.tags()?.contains(&tagged) == args.remove,
        (false, true) => store.remove_tag(&tagged)?,
        (false, false) => store.add_tag(&tagged)?,
    };
    if args.remove && !changed {
        return Err(Error::new(ErrorKind::Missing, format!("this checkpoint has no tag `{}`", tagged.tag))
            .at(seen.id().to_string())
            .hint("`dotctl show` tells which it has"));
    }
    let document = json!({
        "checkpoint": seen.id(),
        "namespace": seen.key.namespace,
        "tag": tagged.tag,
        "removed": args.remove,
        "changed": changed,
        "dry_run": args.dry_run,
    });
    tell(store.as_ref(), output);
    let document = with_requests(document, store.as_ref());
    output.result(&document, || {
        let id = short_id(seen.id());
        let (tag, namespace) = (&tagged.tag, &seen.key.namespace);
        match (args.dry_run, args.remove, changed) {
            (true, true, _) => format!("would take `{tag}` from {id} of {namespace}"),
            (true, false, true) => format!("would give {id} of {namespace} the tag `{tag}`"),
            (false, true, _) => format!("{id} of {namespace} is `{tag}` no more"),
            (false, false, true) => format!("{id} of {namespace} is `{tag}` now"),
            (_, false, false) => format!("{id} of {namespace} is `{tag}` already"),
        }
    })?;
    Ok(Exit::Done)
}
