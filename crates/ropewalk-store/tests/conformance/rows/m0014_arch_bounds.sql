INSERT INTO arch_databases (repo, arch, present, revision, modified, bytes) VALUES (1, 'aarch64', TRUE, 1, 1782900, 0);
