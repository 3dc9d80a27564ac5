//! Packages and the databases they are read from, as pure functions over bounded bytes.
//!
//! One file per database. A parser never fails as a whole because of one entry: what it cannot read becomes an
//! [`Anomaly`], and its neighbours are kept. [`candidate`] says which files of an image are worth reading, [`inventory()`]
//! turns those files into one [`Inventory`]. Layers, whiteouts and links are the business of `image`.

pub mod anomaly;
pub mod apk;
pub mod candidate;
pub mod composer;
pub mod conda;
pub mod deb_version;
pub mod dotnet;
pub mod dpkg;
pub mod gem;
pub mod inventory;
mod name;
pub mod npm;
pub mod os_release;
pub mod package;
pub mod parsed;
pub mod purl;
pub mod python;

pub use anomaly::{Anomaly, AnomalyCode};
pub use inventory::{FoundFile, Inventory, inventory};
pub use package::{Ecosystem, Os, Package, Source};
pub use parsed::Parsed;
