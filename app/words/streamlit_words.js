// What Streamlit itself says (the uploader, tables, number inputs) in the language of the page: it has no setting for that.
// Only the text of nodes and attributes is exchanged, never a node, so that React finds all that it has drawn.
// `words` maps a text to another; `forms` are those with something in them, as patterns with named groups.
(({ language, words, forms }) => {
  const ATTRIBUTES = ["aria-label", "title", "placeholder"];
  // Names of files, icons that are written as words, and what the page draws by itself.
  const FOREIGN = "[data-testid=stFileChipName], [data-testid=stIconMaterial], [data-testid=data-grid-canvas], .stHtml";
  const patterns = forms.map(([pattern, said]) => [new RegExp(`^${pattern}$`), said]);

  const translated = (text) => {
    if (Object.hasOwn(words, text)) return words[text];
    for (const [pattern, said] of patterns) {
      const found = text.match(pattern);
      if (found) return said.replace(/\{(\w+)\}/g, (_, name) => translated(found.groups[name]));
    }
    return text;
  };
  const sayText = (node) => {
    const text = node.nodeValue.trim();
    if (!text || node.parentElement?.closest(FOREIGN)) return;
    const said = translated(text);
    if (said !== text) node.nodeValue = node.nodeValue.replace(text, () => said);
  };
  const sayAttribute = (element, name) => {
    const text = element.getAttribute(name);
    if (!text || element.closest(FOREIGN)) return;
    const said = translated(text);
    if (said !== text) element.setAttribute(name, said);
  };
  const sayAll = (root) => {
    if (root.nodeType === Node.TEXT_NODE) sayText(root);
    if (root.nodeType !== Node.ELEMENT_NODE) return;
    const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) sayText(texts.currentNode);
    for (const name of ATTRIBUTES) {
      for (const element of [root, ...root.querySelectorAll(`[${name}]`)]) sayAttribute(element, name);
    }
  };

  window.pneumolensWords?.disconnect();
  window.pneumolensWords = new MutationObserver((changes) => {
    for (const change of changes) {
      if (change.type === "characterData") sayText(change.target);
      else if (change.type === "attributes") sayAttribute(change.target, change.attributeName);
      else change.addedNodes.forEach(sayAll);
    }
  });
  window.pneumolensWords.observe(document.body, {
    subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ATTRIBUTES,
  });
  document.documentElement.lang = language;
  sayAll(document.body);
})
