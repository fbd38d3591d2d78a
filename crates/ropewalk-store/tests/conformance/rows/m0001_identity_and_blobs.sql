INSERT INTO users (id, name, email, full_name, roles, password_hash, created, updated)
VALUES (1, 'mary', 'mary@example.org', 'Mary', 'admin', '$argon2id$x', 1782900000000000, 1782900000000000);
INSERT INTO users (id, name, email, roles, created, updated)
VALUES (2, 'john', 'john@example.org', '', 1782900000000001, 1782900000000002);
INSERT INTO tokens (id, user_id, hash, grants, created)
VALUES (1, 1, 'aa', '"All"', 1782900000000003);
INSERT INTO blobs (sha256, size, created) VALUES ('bb', 3, 1782900000000004);
