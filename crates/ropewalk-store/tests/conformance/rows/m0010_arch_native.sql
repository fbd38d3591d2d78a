INSERT INTO arch_polls (arch, polled) VALUES ('x86_64', 1782900000000021);
