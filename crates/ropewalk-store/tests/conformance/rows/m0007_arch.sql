INSERT INTO arch_targets (id, owner, kind, url, branch, repo, schedule, path, revision)
VALUES (1, 1, 'git', 'https://example.org/p.git', '', 'main', '0 3', '', 1);
INSERT INTO arch_target_archs (id, target, value, next_at) VALUES (1, 1, 'x86_64', 1782900000000020);
INSERT INTO arch_agents (arch, runner) VALUES ('x86_64', 1);
INSERT INTO arch_builds (job, target, arch, open) VALUES (1, 1, 'x86_64', TRUE);
INSERT INTO arch_logs (id, target, start_time, end_time, arch, exit_code, sha256, size, job)
VALUES (1, 1, 1782900, 1782901, 'x86_64', 0, 'bb', 3, 1);
INSERT INTO arch_repos (id, name, owner, present) VALUES (1, 'main', 1, TRUE);
INSERT INTO arch_databases (repo, arch, present, revision, modified) VALUES (1, 'x86_64', TRUE, 1, 1782900);
INSERT INTO arch_packages (id, repo, arch, name, entry, package_arch, file, sha256, size, description, in_db, in_files,
    published)
VALUES (1, 1, 'x86_64', 'p', 'p-1-1', 'x86_64', 'p-1-1-x86_64.pkg.tar.zst', 'bb', 3, '%NAME%', '', '', 1782900);
INSERT INTO arch_replaced (id, repo, arch, name, file, sha256, size, published, until)
VALUES (1, 1, 'x86_64', 'p', 'p-0-1-x86_64.pkg.tar.zst', 'bb', 3, 1782800, 1782990);
