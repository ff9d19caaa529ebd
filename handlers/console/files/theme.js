// Before the first paint: the colours that this browser was told to use, else those of the system.
try {
	document.documentElement.style.colorScheme = localStorage.getItem("llm-proxy-theme");
} catch {
	// storage may be forbidden
}
