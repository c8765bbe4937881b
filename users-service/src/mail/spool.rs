//! The spool: one `.eml` file per mail, there whole or not at all, and the same file however often it is written.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use shared::domain::MailId;

use super::transport::{Hindrance, SendError};

/// Writes a message to its place in the folder.
pub(super) async fn keep(folder: PathBuf, most: usize, id: MailId, message: Vec<u8>) -> Result<(), SendError> {
    let written = tokio::task::spawn_blocking(move || write(&folder, most, id, &message)).await;
    let failed = |error: &dyn std::fmt::Display| SendError::Later(Hindrance::ours(format!("mail.spool: {error}")));
    written.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
}

/// Under another name first, so that nobody who watches the folder reads half a message. For its owner only: a mail
/// with a link opens somebody's account.
fn write(folder: &Path, most: usize, id: MailId, message: &[u8]) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let (part, whole) = (folder.join(format!(".{id}.part")), folder.join(format!("{id}.eml")));
    // Where nobody empties it, strangers would fill the disk, and a pod is put out for that.
    if !whole.try_exists()? && fs::read_dir(folder)?.take(most).count() == most {
        return Err(io::Error::other(format!("{most} mails lie there, and nobody takes them")));
    }
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    file.write_all(message)?;
    file.sync_all()?;
    fs::rename(&part, &whole)?;
    File::open(folder)?.sync_all()
}
