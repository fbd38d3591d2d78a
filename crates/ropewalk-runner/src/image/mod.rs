//! Images: roots for sandboxes, unpacked once into a content-addressed cache below the data folder.
//!
//! `host` is always there: the machine's own `/usr`.
//!
//! [`Catalog::import`] takes an OCI layout folder, an OCI or docker-save archive, or the tar of a
//! plain root; [`Catalog::fetch`] gets an image from a registry, or makes it from Debian's packages,
//! and [`Origins`] says which of these stands for a name; [`Catalog::resolve`] gives the [`Rootfs`]
//! for a manifest's image name, and [`Rootfs::pin`] keeps it from being removed while a sandbox uses it.

mod archive;
mod bootstrap;
mod catalog;
mod compression;
mod entry;
mod error;
mod fetch;
pub(crate) mod fetching;
mod host;
mod layer;
mod name;
mod names;
mod oci;
mod origins;
mod place;
mod progress;
mod registry;
mod rootfs;
mod source;
mod unpack;
pub(crate) mod worker;

pub use catalog::Catalog;
pub use entry::Entry;
pub use error::ImageError;
pub use fetching::{FetchNews, Fetching};
pub(crate) use host::Usr;
pub use name::ImageName;
pub use origins::{Named, Origins};
pub use progress::Progress;
pub(crate) use registry::is_public_address;
pub use registry::{Pace, RegistryError};
pub use rootfs::{Pinned, Rootfs};
pub use source::{Source, SourceError, Suite};
pub use unpack::Limits;
