INSERT INTO nix_projects (id, name, owner, display_name, description, homepage, is_enabled, is_hidden, decl_file,
    decl_kind, decl_value)
VALUES (1, 'p', 1, 'P', '', '', TRUE, FALSE, 'spec.json', 'git', 'https://example.org/p.git');
INSERT INTO nix_members (project, user_id) VALUES (1, 1);
INSERT INTO nix_jobsets (id, project, name, description, expression_input, expression_path, enabled, is_hidden,
    sends_mail, mail_to, check_interval, keep, shares, triggered, is_forced, checked, started, error, error_at,
    fetch_error)
VALUES (1, 1, 'j', '', 'src', 'release.nix', 1, FALSE, TRUE, '', 300, 3, 100, 1782900000000030, FALSE,
    1782900000000031, NULL, '', NULL, NULL);
INSERT INTO nix_jobset_inputs (jobset, name, kind, value, tells_committers)
VALUES (1, 'src', 'git', 'https://example.org/p.git', FALSE);
INSERT INTO nix_jobset_renames (project, old_name, jobset) VALUES (1, 'old', 1);
