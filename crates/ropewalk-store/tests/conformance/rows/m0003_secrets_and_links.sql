INSERT INTO artifacts (id, attempt, path, size, sha256, created, link)
VALUES (2, 1, 'b.tar', 3, 'bb', 1782900000000015, '00112233445566778899aabbccddeeff');
UPDATE jobs SET secrets = TRUE WHERE id = 1;
