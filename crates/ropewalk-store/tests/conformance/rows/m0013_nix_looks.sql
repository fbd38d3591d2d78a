INSERT INTO nix_looks (job, jobset) VALUES (1, 1);
