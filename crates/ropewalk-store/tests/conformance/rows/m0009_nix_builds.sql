INSERT INTO nix_evaluating (jobset, job) VALUES (1, 1);
INSERT INTO nix_evaluations (id, jobset, job, created, checkout_time, evaluation_time, hash, ordinal, builds)
VALUES (1, 1, 1, 1782900000000040, 1, 2, 'aa', 1, 1);
INSERT INTO nix_evaluation_inputs (evaluation, name, kind, uri, revision, value, dependency, store_path)
VALUES (1, 'src', 'git', 'https://example.org/p.git', 'abc', NULL, NULL, '/nix/store/source');
INSERT INTO nix_builds (job, jobset, name, nix_name, system, drv_path, makes, priority, is_channel, is_current, keep,
    bumped, created, finished, status, is_cached)
VALUES (1, 1, 'hello', 'hello-1', 'x86_64-linux', '/nix/store/a.drv', '/nix/store/a', 100, FALSE, TRUE, FALSE, 0,
    1782900000000041, TRUE, 0, FALSE);
INSERT INTO nix_evaluation_builds (evaluation, build, is_new) VALUES (1, 1, TRUE);
INSERT INTO nix_constituents (aggregate, constituent) VALUES (1, 1);
INSERT INTO nix_outputs (build, name, path) VALUES (1, 'out', '/nix/store/a');
INSERT INTO nix_products (build, number, kind, subtype, name, path, size) VALUES (1, 1, 'file', 'iso', 'a.iso',
    '/nix/store/a/a.iso', 3);
INSERT INTO nix_metrics (build, name, value, unit) VALUES (1, 'coverage', 87.5, '%');
INSERT INTO nix_works (drv, work, is_fixed) VALUES ('a.drv', 1, FALSE);
INSERT INTO nix_failures (drv_path, until) VALUES ('/nix/store/b.drv', 1782900000000042);
