// Link previews fetch pages but run no scripts, so they do not use the link up; a person's browser goes straight on.
document.getElementById("sign-in").requestSubmit();
