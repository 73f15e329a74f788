"""The page of an agent in a browser: `app` has its routes, `static` its files, the rest what each tab asks for."""
