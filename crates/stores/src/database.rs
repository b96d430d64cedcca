//! placeholder until the live database arrives
use dotctl_engine::Result;
use std::path::Path;
/// placeholder
pub fn take_over(_path: &Path) -> Result<Option<()>> {
    Ok(None)
}
