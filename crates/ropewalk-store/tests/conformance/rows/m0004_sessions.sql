INSERT INTO sessions (hash, user_id, created, expires) VALUES ('cc', 1, 1782900000000005, 1785492000000005);
