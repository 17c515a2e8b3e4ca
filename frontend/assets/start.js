// Starts the WASM, or says plainly that it cannot be started. It refuses to do anything else.
import init from "./{{GLUE}}";

init({ module_or_path: new URL("./{{WASM}}", import.meta.url) }).catch((error) => {
  const boot = document.getElementById("boot");
  if (!boot) throw error;
  const text = document.createElement("p");
  text.textContent = `The dashboard could not be started: ${error}. Reload the page; if that does not help, this browser may lack WebAssembly.`;
  boot.replaceChildren(text);
});
