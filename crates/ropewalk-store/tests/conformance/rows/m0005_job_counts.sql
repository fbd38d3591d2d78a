INSERT INTO job_counts (owner, kind, count) VALUES (1, 'srht', 1) ON CONFLICT DO NOTHING;
