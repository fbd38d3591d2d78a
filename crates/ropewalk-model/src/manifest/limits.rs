//! What a manifest's text may ask of the parser.

/// Limits on one manifest. Each is checked while reading, before memory is spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestLimits {
    /// `limits.manifest`: the text must be shorter than this many bytes.
    pub bytes: usize,
    /// YAML nodes, those that aliases and merge keys repeat included.
    pub nodes: usize,
    /// Bytes of all scalars, repeated ones included.
    pub scalar_bytes: usize,
    /// Collections within each other.
    pub depth: usize,
}

impl Default for ManifestLimits {
    fn default() -> Self {
        ManifestLimits { bytes: 16 << 10, nodes: 16 << 10, scalar_bytes: 128 << 10, depth: 32 }
    }
}
