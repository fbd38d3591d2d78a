//! What lies in the valid outputs of a derivation.

use super::files::{Entry, FilesError, StoreFiles, base_name};
use super::sizes::Sizes;
use super::support::{self, ProductLine};
use ropewalk_model::nix::{Product, Realised};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes that are hashed before the reader is asked whether to go on.
const PIECE: usize = 1 << 20;
/// Type of the product that a whole output is.
const WHOLE: &str = "nix-build";

/// Reads outputs of one derivation after another.
pub struct Reader<'a, E> {
    /// The store that they lie in.
    pub store: &'a Path,
    /// What is known of them and of what they refer to.
    pub sizes: &'a Sizes,
    /// Asked again and again; its error ends the reading.
    pub go_on: &'a mut dyn FnMut() -> Result<(), E>,
}

impl<E> Reader<'_, E> {
    /// Reads valid outputs, by name. What cannot be read is left out.
    ///
    /// # Errors
    /// Only those of [`Reader::go_on`].
    pub fn read(&mut self, outputs: &BTreeMap<String, String>) -> Result<Realised, E> {
        let files = StoreFiles::new(self.store);
        let paths = || outputs.values().map(String::as_str);
        let closure = self.sizes.closure(paths());
        let mut realised = Realised {
            size: self.sizes.size(paths()),
            closure_size: self.sizes.size(closure.iter().copied()),
            ..Realised::default()
        };
        let mut lines = None;
        for output in outputs.values() {
            (self.go_on)()?;
            let support = |name: &str| files.text(&format!("{output}/nix-support/{name}"), support::FILE);
            realised.is_failed |= exists(&files, &format!("{output}/nix-support/failed"));
            if let Ok(text) = support("hydra-build-products") {
                lines.get_or_insert_with(Vec::new).extend(support::products(&text));
            }
            if let Ok(text) = support("hydra-metrics") {
                realised.metrics.extend(support::metrics(&text));
            }
            if let Some(name) = support("hydra-release-name").ok().and_then(|t| support::release_name(&t)) {
                realised.release_name = Some(name);
            }
        }
        while realised.metrics.len() > support::METRICS {
            realised.metrics.pop_last();
        }
        realised.products = match lines {
            Some(lines) => self.described(&files, &closure, lines)?,
            None => outputs.iter().filter_map(|(name, path)| whole(&files, name, path)).collect(),
        };
        Ok(realised)
    }

    /// The products of the lines whose files are there.
    fn described(
        &mut self,
        files: &StoreFiles,
        closure: &BTreeSet<&str>,
        lines: Vec<ProductLine>,
    ) -> Result<Vec<Product>, E> {
        let mut products = vec![];
        for line in lines.into_iter().take(support::PRODUCTS) {
            (self.go_on)()?;
            let Ok(found) = files.open(&line.path) else { continue };
            // What others have in the same store is not this build's to offer.
            let is_own = |path: &str| {
                let base = base_name(self.store, path);
                base.is_some_and(|base| closure.contains(format!("{}/{base}", self.store.display()).as_str()))
            };
            if !is_own(&line.path) || !is_own(&found.path) {
                continue;
            }
            let (size, sha256) = match found.entry {
                Entry::File { file, size } => match self.hash(file)? {
                    Some(hash) => (Some(size), Some(hash)),
                    None => continue,
                },
                Entry::Folder(_) => (None, None),
            };
            let ProductLine { kind, subtype, path, default_path } = line;
            let path = path.trim_end_matches('/').to_owned();
            let name = match closure.contains(path.as_str()) {
                true => String::new(),
                false => path.rsplit('/').next().unwrap_or_default().to_owned(),
            };
            products.push(Product { kind, subtype, name, path, default_path, size, sha256 });
        }
        Ok(products)
    }

    /// SHA-256 in hexadecimal; none when the file cannot be read.
    fn hash(&mut self, mut file: File) -> Result<Option<String>, E> {
        let (mut hash, mut piece) = (Sha256::new(), vec![0; PIECE]);
        loop {
            (self.go_on)()?;
            match file.read(&mut piece) {
                Ok(0) => return Ok(Some(hex::encode(hash.finalize()))),
                Ok(count) => hash.update(piece.get(..count).unwrap_or_default()),
                Err(_) => return Ok(None),
            }
        }
    }
}

fn exists(files: &StoreFiles, path: &str) -> bool {
    !matches!(files.open(path), Err(FilesError::Missing(_)))
}

/// The product that an output is for itself, if it is a folder.
fn whole(files: &StoreFiles, output: &str, path: &str) -> Option<Product> {
    let Entry::Folder(_) = files.open(path).ok()?.entry else { return None };
    let base = path.rsplit('/').next()?;
    Some(Product {
        kind: WHOLE.into(),
        subtype: if output == "out" { String::new() } else { output.into() },
        name: base.split_once('-').map_or(base, |(_, name)| name).into(),
        path: path.into(),
        ..Product::default()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::super::Tools;
    use super::*;
    use std::convert::Infallible;
    use std::fs::{create_dir_all, write};
    use std::os::unix::fs::symlink;

    const OUT: &str = "00000000000000000000000000000000-a-1.0";
    const DEV: &str = "11111111111111111111111111111111-a-1.0-dev";
    const ALIEN: &str = "22222222222222222222222222222222-alien";

    struct Bench {
        _folder: tempfile::TempDir,
        store: std::path::PathBuf,
    }

    impl Bench {
        fn new() -> Bench {
            let folder = tempfile::tempdir().unwrap();
            let store = folder.path().canonicalize().unwrap().join("store");
            for path in [OUT, DEV] {
                create_dir_all(store.join(path).join("nix-support")).unwrap();
            }
            create_dir_all(store.join(ALIEN)).unwrap();
            write(store.join(ALIEN).join("secret"), "s").unwrap();
            Bench { _folder: folder, store }
        }

        fn path(&self, below: &str) -> String {
            self.store.join(below).to_str().unwrap().to_owned()
        }

        fn support(&self, output: &str, name: &str, text: &str) {
            write(self.store.join(output).join("nix-support").join(name), text).unwrap();
        }

        fn read(&self) -> Realised {
            let outputs = [("out", OUT), ("dev", DEV)].map(|(name, path)| (name.to_owned(), self.path(path)));
            let facts = [OUT, DEV]
                .map(|path| serde_json::json!({ "path": self.path(path), "narSize": 10, "references": [] }));
            let mut sizes = Sizes::default();
            let answer = serde_json::to_vec(&facts).unwrap();
            sizes.add(&Tools::at(self.store.clone()), &answer).unwrap();
            let mut go_on = || Ok::<_, Infallible>(());
            let mut reader = Reader { store: &self.store, sizes: &sizes, go_on: &mut go_on };
            reader.read(&outputs.into()).unwrap()
        }
    }

    #[test]
    fn folders_are_products_unless_a_build_says_otherwise() {
        let bench = Bench::new();
        let realised = bench.read();
        let found: Vec<_> = realised
            .products
            .iter()
            .map(|p| (p.subtype.as_str(), p.name.as_str(), p.kind.as_str()))
            .collect();
        assert_eq!(found, [("dev", "a-1.0-dev", WHOLE), ("", "a-1.0", WHOLE)]);
        assert_eq!((realised.size, realised.closure_size, realised.is_failed), (20, 20, false));
        bench.support(OUT, "hydra-build-products", "");
        assert_eq!(bench.read().products, []);
    }

    #[test]
    fn products_metrics_and_names_are_put_together() {
        let bench = Bench::new();
        write(bench.path(&format!("{OUT}/disk.iso")), "data\n").unwrap();
        let line = |path: &str| format!("file iso {}\n", bench.path(path));
        let text = [line(&format!("{OUT}/disk.iso")), line(OUT), line(&format!("{OUT}/missing"))].concat();
        bench.support(OUT, "hydra-build-products", &text);
        bench.support(OUT, "hydra-metrics", "a 1\nb 2\n");
        bench.support(DEV, "hydra-metrics", "a 3 %\n");
        bench.support(DEV, "hydra-release-name", "rel-1\n");
        bench.support(DEV, "failed", "");
        let realised = bench.read();
        let file = &realised.products[0];
        assert_eq!((file.name.as_str(), file.size), ("disk.iso", Some(5)));
        // printf 'data\n' | sha256sum
        let sum = "6667b2d1aab6a00caa5aee5af8ad9f1465e567abf1c209d15727d57b3e8f6e5f";
        assert_eq!(file.sha256.as_deref(), Some(sum));
        assert_eq!((realised.products[1].name.as_str(), realised.products.len()), ("", 2));
        assert_eq!((realised.metrics["a"].value, realised.metrics.len()), (1.0, 2));
        assert_eq!((realised.release_name.as_deref(), realised.is_failed), (Some("rel-1"), true));
    }

    #[test]
    fn what_lies_elsewhere_is_no_product() {
        let bench = Bench::new();
        symlink("/etc", bench.path(&format!("{OUT}/etc"))).unwrap();
        symlink(bench.path(ALIEN), bench.path(&format!("{OUT}/alien"))).unwrap();
        let named = [
            bench.path(&format!("{OUT}/etc/passwd")),
            bench.path(&format!("{OUT}/etc")),
            bench.path(&format!("{OUT}/alien/secret")),
            bench.path(&format!("{ALIEN}/secret")),
            bench.path(&format!("{OUT}/../{ALIEN}/secret")),
            "/etc/passwd".into(),
        ];
        let lines: String = named.iter().map(|path| format!("file x {path}\n")).collect();
        bench.support(OUT, "hydra-build-products", &lines);
        assert_eq!(bench.read().products, []);
    }
}
