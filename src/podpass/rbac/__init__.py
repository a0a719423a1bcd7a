"""Role based access control: do these roles allow this request, and by which rule."""
