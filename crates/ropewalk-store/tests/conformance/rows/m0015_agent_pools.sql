INSERT INTO arch_agents (arch, pool, runner) VALUES ('aarch64', 1, 1);
INSERT INTO arch_polls (arch, pool, polled) VALUES ('aarch64', 1, 1782900000000021);
