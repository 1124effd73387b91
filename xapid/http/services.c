#include "config.h"

#include "xapid/http/services.h"

#include "xapid/http/console.h"
#include "xapid/http/database.h"
#include "xapid/http/page.h"
#include "xapid/http/picture.h"
#include "xapid/http/rpc.h"
#include "xapid/http/vdi-stream.h"
#include "xapid/http/vm-import.h"
#include "xapid/http/vm-stream.h"

struct http_services {
    struct rpc_service *rpc;
    struct database_service *database;
    struct vdi_streams *disks;
    struct vm_streams *vms;
    struct vm_imports *imports;
    struct console_service *consoles;
    struct picture_service *pictures;
    struct page_service *page;
};

struct http_services *
http_services_start(struct http_server *server, struct api *api, const struct settings *settings,
                    const char *database)
{
    struct http_services *services = g_new0(struct http_services, 1);

    services->rpc = rpc_serve(server, api);
    services->database = database_serve(server, api, database);
    services->disks = vdi_streams_serve(server, api);
    services->vms = vm_streams_serve(server, api);
    services->imports = vm_imports_serve(server, api);
    services->consoles = consoles_serve(server, api);
    services->pictures = pictures_serve(server, api);
    services->page = page_serve(server, settings);
    return services;
}

void
http_services_free(struct http_services *services)
{
    if (!services)
        return;
    page_service_free(services->page);
    picture_service_free(services->pictures);
    console_service_free(services->consoles);
    vm_imports_free(services->imports);
    vm_streams_free(services->vms);
    vdi_streams_free(services->disks);
    database_service_free(services->database);
    rpc_service_free(services->rpc);
    g_free(services);
}
