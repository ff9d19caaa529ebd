"""A package or a module for each wire dialect; pure translators without any input or output of their own."""
