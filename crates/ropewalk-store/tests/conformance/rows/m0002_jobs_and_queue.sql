INSERT INTO plans (hash, json) VALUES ('cc', '{}');
INSERT INTO classes (id, text) VALUES (1, 'x86_64 debian');
INSERT INTO share_groups (id, name, shares, used, running, counted) VALUES (1, 'user:1', 100, 5, 1, 0);
INSERT INTO share_usage (share_group, hour, used) VALUES (1, 495250, 5);
INSERT INTO runners (id, name, labels, slots, seen) VALUES (1, 'here', '{}', 2, 1782900000000005);
INSERT INTO runner_classes (runner, class) VALUES (1, 1);
INSERT INTO works (id, plan, class, share_group, priority, bump, status, released, unmet, wanted, attempts, lost,
    loss_attempts, loss_cause, created, ended)
VALUES (1, 'cc', 1, 1, 0, 0, 'succeeded', TRUE, 0, 0, 1, 0, 3, 'runner-lost', 1782900000000006, 1782900000000010);
INSERT INTO works (id, key, plan, class, share_group, priority, bump, status, released, unmet, wanted, attempts, lost,
    loss_attempts, loss_cause, created)
VALUES (2, 'a derivation', 'cc', 1, 1, 0, 0, 'leased', TRUE, 0, 1, 1, 0, 3, 'runner-lost', 1782900000000006);
INSERT INTO work_edges (work, needs) VALUES (2, 1);
INSERT INTO attempts (id, work, number, fence, runner, leased, reports, lost, ended)
VALUES (1, 1, 1, 1, 1, 1782900000000007, 3, FALSE, 1782900000000010);
INSERT INTO attempts (id, work, number, fence, runner, leased, reports, lost)
VALUES (2, 2, 1, 1, 1, 1782900000000008, 1, FALSE);
INSERT INTO leases (work, attempt, runner, fence, renewed, until)
VALUES (2, 2, 1, 1, 1782900000000008, 1782900600000008);
INSERT INTO attempt_facts (attempt, number, key, value) VALUES (1, 1, 'image.digest', 'sha256:dd');
INSERT INTO step_runs (attempt, position, status, exit, started, ended)
VALUES (1, 0, 'success', 0, 1782900000000009, 1782900000000010);
INSERT INTO attempt_logs (attempt, log, sha256, size) VALUES (1, -1, 'bb', 3);
INSERT INTO artifacts (id, attempt, path, size, sha256) VALUES (1, 1, 'a.tar', 3, 'bb');
INSERT INTO job_groups (id, owner, triggers, open, created) VALUES (1, 1, '[]', 1, 1782900000000011);
INSERT INTO jobs (id, kind, owner, job_group, round, status, visibility, tags, manifest, triggers, work, execute, events,
    created, updated)
VALUES (1, 'srht', 1, 1, 1, 'running', 'public', '[]', 'image: alpine', '[]', 2, TRUE, 1, 1782900000000012,
    1782900000000012);
INSERT INTO open_jobs (owner, count) VALUES (1, 1);
INSERT INTO job_rounds (job, round, work) VALUES (1, 1, 2);
INSERT INTO steps (id, job, position, name) VALUES (1, 1, 0, 'build');
INSERT INTO events (job, number, at, fact) VALUES (1, 1, 1782900000000013, '{}');
INSERT INTO deliveries (id, key, job, action, created, next_at, tries)
VALUES (1, 'job:1:1:0', 1, '{}', 1782900000000014, 1782900000000014, 0);
