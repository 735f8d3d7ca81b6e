"""The web role: the page's server and the public JSON API over what the twin has put out."""
