"""One file for each wire dialect; pure translators without any input or output of their own."""
