//! Packages and the databases they are read from, as pure functions over bounded bytes.
//!
//! One file per database. A parser never fails as a whole because of one entry: what it cannot read becomes an
//! [`Anomaly`], and its neighbours are kept. [`candidate`] says which files of an image are worth reading, [`extract()`]
//! reads one while its layer streams past, [`inventory()`] turns what they gave into one [`Inventory`]. Layers, whiteouts
//! and links are the business of `image`.

pub mod anomaly;
pub mod apk;
pub mod candidate;
pub mod composer;
pub mod conda;
pub mod content;
pub mod copyright;
pub mod deb_version;
pub mod dotnet;
pub mod dpkg;
pub mod egg;
pub mod embedded;
pub mod executable;
pub mod extract;
pub mod gem;
pub mod go_binary;
mod go_version;
pub mod inventory;
pub mod java;
mod java_groups;
mod java_names;
mod json;
mod name;
pub mod npm;
pub mod os_release;
pub mod package;
pub mod parsed;
pub mod purl;
pub mod python;
pub mod rpm;
pub mod rust_binary;
pub mod zip;
pub mod zip_stream;

pub use anomaly::{Anomaly, AnomalyCode};
pub use content::Content;
pub use extract::{Extract, extract};
pub use inventory::{FoundFile, Inventory, inventory};
pub use package::{Ecosystem, Os, Package, Source};
pub use parsed::Parsed;
