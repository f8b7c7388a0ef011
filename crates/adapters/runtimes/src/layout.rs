//! Where things are below the directory of installed runtimes.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::definition::{Family, PackageSet};

/// Certificates that AWS's Node.js runtimes have in `/var/runtime`.
pub const NODEJS_CERTIFICATES: &str = include_str!("../../../../runtimes/nodejs/ca-cert.pem");

const PYTHON_CLIENT: &[(&str, &str)] = &[
    ("bootstrap.py", include_str!("../../../../runtimes/python/bootstrap.py")),
    ("function_client.py", include_str!("../../../../runtimes/python/function_client.py")),
    ("parking.py", include_str!("../../../../runtimes/python/parking.py")),
    ("sdk_ahead.py", include_str!("../../../../runtimes/python/sdk_ahead.py")),
    ("zygote.py", include_str!("../../../../runtimes/python/zygote.py")),
    ("function_logging.py", include_str!("../../../../runtimes/python/function_logging.py")),
];
const NODEJS_CLIENT: &[(&str, &str)] = &[
    ("bootstrap.js", include_str!("../../../../runtimes/nodejs/bootstrap.js")),
    ("layer_imports.js", include_str!("../../../../runtimes/nodejs/layer_imports.js")),
    // Amazon's certificate authorities. Up to Node.js 18 NODE_EXTRA_CA_CERTS names it; later functions may do so themselves.
    ("ca-cert.pem", NODEJS_CERTIFICATES),
    ("parking.js", include_str!("../../../../runtimes/nodejs/parking.js")),
];

/// Changes when the same packages are installed in another way.
const INSTALLED_AS: &str = "compiled";

/// A family's client: files of `/var/runtime` by name.
pub(crate) fn client(family: Family) -> &'static [(&'static str, &'static str)] {
    match family {
        Family::Python => PYTHON_CLIENT,
        Family::Nodejs => NODEJS_CLIENT,
        Family::Custom => &[],
    }
}

/// What becomes `/var/runtime`: packages and client. The name changes with either, so that a new Lambent installs anew.
pub(crate) fn runtime_dir(root: &Path, family: Family, set: &PackageSet) -> PathBuf {
    let mut hash = Sha256::new();
    hash.update(INSTALLED_AS.as_bytes());
    set.packages.iter().for_each(|package| hash.update(package.as_bytes()));
    client(family).iter().for_each(|(_, text)| hash.update(text.as_bytes()));
    root.join("runtime").join(format!("{}-{}", set.name, &hex(&hash.finalize())[..12]))
}

/// An official Node.js binary: `bin/node` below.
pub(crate) fn node_dir(root: &Path, version: &str) -> PathBuf {
    root.join("node").join(version)
}

/// Names the host's own binary of a major version, looked up when runtimes were installed.
pub(crate) fn host_node_note(root: &Path, major: &str) -> PathBuf {
    root.join("node").join(format!("{major}.path"))
}

/// 64 digits that stay the same while the text does.
pub(crate) fn version_hash(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
