"""Background work: queue, supervisor, runner, worker frame. Starts features by module name and imports none."""
