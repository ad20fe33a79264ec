{
    // The observer outlives the script: a page sends its script again at every run, and another when the language changes.
    const page = window, names = ["aria-label", "title", "placeholder", "data-title"];
    const among = (table, text) => {
        for (const [from, to] of Object.entries(table)) {
            const [head, tail] = from.split("{}");
            if (tail === undefined ? text === from : text.length > from.length - 2 && text.startsWith(head) && text.endsWith(tail))
                return to.replace("{}", () => text.slice(head.length, text.length - tail.length));
        }
    };
    const translated = text => {
        const english = among(page.wordsBefore, text) ?? text;
        return among(page.words, english) ?? english;
    };
    const look = node => {
        if (node.nodeType === Node.TEXT_NODE) {
            // One word alone may be a person's own text, outside of a hint.
            const text = node.data, own = text.trim().includes(" ") || node.parentElement?.closest("[role=tooltip], [role=dialog]");
            if (own && translated(text) !== text) node.data = translated(text);
        } else if (node.nodeType === Node.ELEMENT_NODE) {
            for (const name of names)
                if (node.hasAttribute(name) && translated(node.getAttribute(name)) !== node.getAttribute(name))
                    node.setAttribute(name, translated(node.getAttribute(name)));
            if (!["SCRIPT", "STYLE", "NOSCRIPT", "TEXTAREA"].includes(node.tagName)) node.childNodes.forEach(look);
        }
    };
    const words = WORDS;
    if (JSON.stringify(page.words ?? {}) !== JSON.stringify(words)) {
        page.wordsBefore = Object.fromEntries(Object.entries(page.words ?? {}).map(([from, to]) => [to, from]));
        page.words = words;
        page.observed?.disconnect();
        look(document.body);
        page.observed = new MutationObserver(changes => changes.forEach(({ type, target, addedNodes }) =>
            type === "childList" ? addedNodes.forEach(look) : look(target)));
        page.observed.observe(document.body,
            { subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: names });
    }
}
