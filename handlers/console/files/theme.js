// Before the first paint: the colours that this browser was told to use, else those of the system.
try {
	const theme = localStorage.getItem("llm-proxy-theme");
	if (theme) document.documentElement.dataset.theme = theme;
} catch {
	// storage may be forbidden
}
