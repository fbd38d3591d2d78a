UPDATE nix_jobsets SET is_trusted = TRUE, evaluated_error = 'in job x: no attribute';
