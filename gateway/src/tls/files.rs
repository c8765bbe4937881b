//! The files that TLS rests on, read together, so that a change of any of them is seen, and none is half read.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::config;

/// The largest certificate, chain or key, in bytes.
const PEM_AT_MOST: u64 = 1 << 20;

/// The largest list of authorities or of what they have revoked, in bytes.
const LIST_AT_MOST: u64 = 32 << 20;

/// One mistake, under the key whose file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The setting's dotted path.
    pub key: String,
    /// What is wrong.
    pub what: String,
}

impl Mistake {
    pub(super) fn new(key: impl Into<String>, what: impl fmt::Display) -> Self {
        Self { key: key.into(), what: what.to_string() }
    }
}

/// Every mistake in the files, one a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Mistake { key, what }) in self.0.iter().enumerate() {
            write!(f, "{}{key}: {what}", if i == 0 { "" } else { "\n  " })?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// One file's bytes, or why there are none.
pub type Bytes = Result<Vec<u8>, String>;

/// What the files hold at one moment.
pub struct Files {
    /// Each certificate and its key.
    pub pairs: Vec<(Bytes, Bytes)>,
    /// The clients' authorities.
    pub client_ca: Bytes,
    /// What they have revoked.
    pub client_crls: Vec<Bytes>,
}

impl Files {
    /// Reads all of them. Blocks.
    #[must_use]
    pub fn read(settings: &config::Tls) -> Self {
        let pair = |files: &config::CertificateFiles| (read(&files.cert, PEM_AT_MOST), read(&files.key, PEM_AT_MOST));
        let asks = settings.client_auth != config::ClientAuth::Off;
        Self {
            pairs: settings.certificates.iter().map(pair).collect(),
            client_ca: if asks { read(Path::new(&settings.client_ca), LIST_AT_MOST) } else { Ok(Vec::new()) },
            client_crls: settings.client_crls.iter().filter(|_| asks).map(|path| read(path, LIST_AT_MOST)).collect(),
        }
    }

    /// What tells one state of the files from another. Their times would not: Kubernetes swaps a link to a folder, and a
    /// copy may keep its date.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let pairs = self.pairs.iter().flat_map(|(cert, key)| [cert, key]);
        digest(pairs.chain([&self.client_ca]).chain(&self.client_crls), Sha256::new())
    }

    /// What tells one way of judging clients' certificates from another; `None`: they are not asked for.
    #[must_use]
    pub fn trust_digest(&self, demand: config::ClientAuth) -> Option<[u8; 32]> {
        let word = match demand {
            config::ClientAuth::Off => return None,
            config::ClientAuth::Optional => "optional",
            config::ClientAuth::Required => "required",
        };
        Some(digest([&self.client_ca].into_iter().chain(&self.client_crls), Sha256::new_with_prefix(word)))
    }
}

fn digest<'f>(files: impl Iterator<Item = &'f Bytes>, mut hash: Sha256) -> [u8; 32] {
    for file in files {
        let (kind, bytes) = match file {
            Ok(bytes) => (0, bytes.as_slice()),
            Err(why) => (1, why.as_bytes()),
        };
        hash.update([kind]);
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    }
    hash.finalize().into()
}

fn read(path: &Path, most: u64) -> Bytes {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) if bytes.len() as u64 > most => Err(format!("{} is larger than {most} bytes", path.display())),
        Ok(bytes) => Ok(bytes),
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
    }
}
