//! Images: roots for sandboxes, unpacked once into a content-addressed cache below the data folder.
//!
//! `host` is always there: the machine's own `/usr`.
//!
//! [`Catalog::import`] takes an OCI layout folder, an OCI or docker-save archive, or the tar of a
//! plain root; [`Catalog::resolve`] gives the [`Rootfs`] for a manifest's image name, and
//! [`Rootfs::pin`] keeps it from being removed while a sandbox uses it.

mod archive;
mod catalog;
mod compression;
mod error;
mod host;
mod layer;
mod name;
mod oci;
mod rootfs;
mod unpack;
pub(crate) mod worker;

pub use catalog::{Catalog, Entry};
pub use error::ImageError;
pub(crate) use host::Usr;
pub use name::ImageName;
pub use rootfs::{Pinned, Rootfs};
pub use unpack::Limits;
